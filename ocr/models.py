from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from cardocr_site.accounts.models import User
from ocr import addresses, sealing
from ocr.engines.base import EngineConfig
from ocr.errors import EngineMissing
from ocr.pricing import Prices


def private_hosts() -> tuple[str, ...]:
    """Hosts in the house that may be called: those of the setting, and that of CARDOCR_VLM_URL."""
    return addresses.hosts_allowed(settings.ALLOW_PRIVATE_ENGINES, settings.VLM_URL)


class Engine(models.Model):
    """A configured reader: kind, address, model, key. The key is sealed and never rendered."""

    class Kind(models.TextChoices):
        LOCAL = "local", _("OCR + rules, no AI model")
        OPENAI_COMPATIBLE = "openai_compatible", _("Vision-language model (OpenAI-compatible)")

    class Place(models.TextChoices):
        INSIDE = "inside", _("Inside the house")
        OUTSIDE = "outside", _("Outside the house")

    name = models.CharField(_("name"), max_length=80, unique=True)
    kind = models.CharField(_("kind"), max_length=30, choices=Kind)
    address = models.CharField(_("address"), max_length=500, blank=True)  # a host in the house is no URLField's
    model = models.CharField(_("model"), max_length=200, blank=True)
    sealed_key = models.TextField(blank=True, editable=False)
    place = models.CharField(_("where it runs"), max_length=10, choices=Place, default=Place.OUTSIDE)
    max_in_flight = models.PositiveSmallIntegerField(_("calls at a time, at most"), null=True, blank=True)
    timeout = models.PositiveSmallIntegerField(_("seconds to wait for an answer"), default=120)
    enabled = models.BooleanField(_("in use"), default=True)
    is_default = models.BooleanField(_("chosen for new batches"), default=False)
    seconds_per_card = models.FloatField(_("seconds per card, measured"), null=True, blank=True)
    # What each model behind the address was found to take: {model: ocr.engines.profile.Profile as a dict}.
    # Written by queryset alone: `updated_at` tells that a person has changed the engine.
    profile = models.JSONField(default=dict, blank=True, editable=False)

    # The way out, where it is not that of the whole installation. A proxy's address may hold a password.
    sealed_proxy = models.TextField(blank=True, editable=False)
    ca_bundle = models.CharField(_("file of certificates"), max_length=500, blank=True)

    # Per million tokens; null: not known.
    price_in = models.DecimalField(_("price of tokens in"), max_digits=12, decimal_places=6, null=True, blank=True)
    price_cached = models.DecimalField(
        _("price of cached tokens in"), max_digits=12, decimal_places=6, null=True, blank=True
    )
    price_out = models.DecimalField(_("price of tokens out"), max_digits=12, decimal_places=6, null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3, default="USD")
    priced_on = models.DateField(_("prices as of"), null=True, blank=True)
    month_budget = models.DecimalField(_("budget per month"), max_digits=12, decimal_places=2, null=True, blank=True)
    # What a 429 has asked for, told to every process that reads; written by queryset alone.
    rest_until = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)
        verbose_name = _("engine")
        verbose_name_plural = _("engines")

    # Set by people.keyed, for a person with a key of one's own; never stored with the engine.
    own_key: "OwnKey | None" = None
    lacks: str = ""  # why there is no key to call it with, in a sentence

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.own_key or self.lacks:
            raise ValueError("An engine with somebody's key is for calls alone.")
        super().save(*args, **kwargs)

    @property
    def payer(self) -> Any:
        """Whose key it is called with; None: its own."""
        return self.own_key.user_id if self.own_key else None

    @property
    def caller(self) -> tuple[Any, ...]:
        """The same for those whose calls are let in or turned away together."""
        return self.pk, self.payer, self.lacks

    @property
    def version(self) -> datetime:
        """Of engine and key: another one where a person has changed either."""
        return max(self.updated_at, self.own_key.set_at) if self.own_key else self.updated_at

    @property
    def has_key(self) -> bool:
        return bool(self.sealed_key)

    def set_key(self, key: str) -> None:
        """Seal and keep a key; an empty one removes it."""
        self.sealed_key = sealing.seal(key) if key else ""

    @property
    def has_proxy(self) -> bool:
        return bool(self.sealed_proxy)

    def set_proxy(self, address: str) -> None:
        """Seal and keep the address of a proxy, which may hold a password; an empty one removes it."""
        self.sealed_proxy = sealing.seal(address) if address else ""

    def proxy(self) -> str:
        """Its own, or the house's for engines outside. Raises ocr.errors.EngineMissing where it cannot be opened."""
        if self.sealed_proxy:
            return sealing.unseal(self.sealed_proxy)
        return str(settings.OUTBOUND_PROXY) if self.place == self.Place.OUTSIDE else ""

    @property
    def prices(self) -> Prices:
        return Prices(self.price_in, self.price_out, self.price_cached, free=self.kind == self.Kind.LOCAL)

    def learn(self, model: str, found: dict[str, Any]) -> None:
        """Keep what a model was found to take. `updated_at` stays: it tells that a person has changed the engine.

        Where its address is another one by now, this is of no use to anybody.
        """
        with transaction.atomic():
            row = Engine.objects.select_for_update().filter(pk=self.pk, address=self.address).first()
            if row is not None:
                profile = {**row.profiles(), model: {**row.known(model), **found}}
                Engine.objects.filter(pk=self.pk).update(profile=profile)

    def profiles(self) -> dict[str, dict[str, Any]]:
        """What is stored, by model; what was stored in another way is passed over."""
        stored = self.profile if isinstance(self.profile, dict) else {}
        return {model: part for model, part in stored.items() if isinstance(part, dict)}

    def known(self, model: str = "") -> dict[str, Any]:
        """What is stored of a model."""
        return self.profiles().get(model or self.model, {})

    def config(self, model: str = "") -> EngineConfig:
        """What an adapter needs. Raises ocr.errors.EngineMissing where there is no key or it cannot be opened."""
        if self.lacks:
            raise EngineMissing(self.lacks)
        sealed = self.own_key.sealed_key if self.own_key else self.sealed_key
        return EngineConfig(
            kind=self.kind,
            name=self.name,
            address=self.address,
            model=model or self.model,
            key=sealing.unseal(sealed) if sealed else "",
            timeout=float(self.timeout),
            max_in_flight=self.max_in_flight,
            private_hosts=private_hosts(),
            proxy=self.proxy(),
            ca_bundle=self.ca_bundle or settings.CA_BUNDLE,
            profile=self.known(model),
        )


class Probe(models.Model):
    """A test of an engine that somebody asked for, until it is over: the row is the queue, and two clicks are one."""

    engine = models.OneToOneField(Engine, on_delete=models.CASCADE, related_name="probe")
    model = models.CharField(max_length=200, blank=True)
    asked_at = models.DateTimeField(auto_now_add=True)
    begun_at = models.DateTimeField(null=True)
    worker = models.CharField(max_length=32, blank=True)  # the uid of the process that does it
    # With whose key; null: the engine's own.
    key_of = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    def __str__(self) -> str:
        return f"{self.engine} · {self.model}"


class OwnKey(models.Model):
    """A person's own key for an engine; see people.py. It is sealed and never rendered."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="own_engine_keys")
    engine = models.ForeignKey(Engine, on_delete=models.CASCADE, related_name="own_keys")
    sealed_key = models.TextField()
    address = models.CharField(max_length=500)  # it was given for this one, and is sent to no other
    set_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("user", "engine"), name="own_key_once"),)

    def __str__(self) -> str:
        return f"{self.user} · {self.engine}"


class Preference(models.Model):
    """What a person's new batches are read with."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="preference")
    engine = models.ForeignKey(Engine, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    model = models.CharField(max_length=200, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.user} · {self.engine} {self.model}"
