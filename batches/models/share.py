"""How the workers of all machines share an engine. Written by batches/drain/shares.py alone."""

from django.db import models

from batches.models.worker import Worker
from ocr.models import Engine


class Pace(models.Model):
    """How many calls an engine takes at a time, as all workers have learnt. They settle their shares under its lock."""

    engine = models.OneToOneField(Engine, on_delete=models.CASCADE, primary_key=True, related_name="pace")
    calls = models.PositiveIntegerField(default=1)
    climbing = models.BooleanField(default=True)  # no limit met yet: one more for each answer
    answers = models.PositiveIntegerField(default=0)  # since that was changed
    turn = models.PositiveIntegerField(default=0)  # grows where it is lowered or begun anew: older words count no more
    learnt_at = models.DateTimeField(null=True)
    probe_at = models.DateTimeField(null=True)  # it does not answer, and may be asked again then
    probe_delay = models.FloatField(default=0)

    def __str__(self) -> str:
        return f"{self.engine}: {self.calls}"


class Share(models.Model):
    """How many calls a worker may have in flight; it has taken note of less before anybody else is given more."""

    worker = models.ForeignKey(Worker, on_delete=models.CASCADE, related_name="shares")
    engine = models.ForeignKey(Engine, on_delete=models.CASCADE, related_name="shares")
    wanted = models.PositiveIntegerField(default=0)
    awaited = models.PositiveIntegerField(default=0)  # of them, those that a person sits and waits for
    granted = models.PositiveIntegerField(default=0)
    in_flight = models.PositiveIntegerField(default=0)  # when it was settled last
    may_probe = models.BooleanField(default=False)  # an endpoint that does not answer: one worker at a time

    class Meta:
        constraints = (models.UniqueConstraint(fields=("engine", "worker"), name="share_once"),)

    def __str__(self) -> str:
        return f"{self.worker} · {self.engine}: {self.granted}"
