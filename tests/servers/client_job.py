"""The main job by a client that a program of others made of our description.

Called as `client_job.py ADDRESS NAME PASSWORD SCANS` where that program is installed. It knows nothing of cardocr
but the package `made` beside it, and prints what came of it as JSON.
"""

import io
import json
import sys
import time
from pathlib import Path

from made import AuthenticatedClient, Client
from made.api.batches import create_batch, delete_batch, get_batch, get_status, list_batches
from made.api.health import get_health
from made.api.oneself import get_me
from made.api.reading_a_batch import retry_batch, start_batch
from made.api.results import correct_result, export_batch, get_history, list_results
from made.api.scans_and_fields_of_a_draft import add_images, get_image, list_images, set_fields
from made.api.signing_in import create_token, delete_token, login
from made.api.templates import create_template, list_templates
from made.models import (
    AddImagesFileParams,
    BatchIn,
    Correction,
    CorrectionValues,
    Credentials,
    ExportBatchFormat,
    Failure,
    FieldIn,
    FieldsIn,
    OptionsIn,
    OptionsInRotationType1,
    Scope,
    StartIn,
    TemplateIn,
    TokenIn,
)
from made.types import File


def data(answer):
    """What a call is about, or the end of the job with the error's code."""
    if answer is None or isinstance(answer, Failure):
        raise SystemExit(f"refused: {answer}")
    return answer.data


def main(address, name, password, scans):
    nobody = Client(base_url=address)
    told = {"health": data(get_health.sync(client=nobody)).status}
    token = data(login.sync(client=nobody, body=Credentials(username=name, password=password))).token
    person = AuthenticatedClient(base_url=address, token=token)
    script = data(create_token.sync(client=person, body=TokenIn(name="Job", scope=Scope.WRITE)))
    client = AuthenticatedClient(base_url=address, token=script.token)
    told["me"] = data(get_me.sync(client=client)).username

    fields = [FieldIn(label="Author"), FieldIn(label="Title")]
    template = data(create_template.sync(client=client, body=TemplateIn(name="Made by a client", fields=fields)))
    told["template"] = template.id in [one.id for one in data(list_templates.sync(client=client)).items]

    options = OptionsIn(rotation=OptionsInRotationType1(0))
    draft = data(create_batch.sync(client=client, body=BatchIn(name="Drawer 12", options=options)))
    batch = str(draft.id)
    files = [File(io.BytesIO(path.read_bytes()), path.name, "image/jpeg") for path in sorted(scans.iterdir())]
    added = data(add_images.sync(batch, client=client, body=AddImagesFileParams(files=files)))
    told["added"] = [one.original_name for one in added.added]
    told["rejected"] = [one.code for one in added.rejected]
    told["images"] = data(list_images.sync(batch, client=client)).total
    set_to = data(set_fields.sync(batch, client=client, body=FieldsIn(fields=fields)))
    told["fields"] = [one.key for one in set_to.fields]
    started = start_batch.sync(batch, client=client, body=StartIn(confirm=True))
    told["started"] = data(started).status

    until = time.monotonic() + 60
    while data(get_status.sync(batch, client=client)).status not in ("completed", "failed"):
        if time.monotonic() > until:
            raise SystemExit("it is not read")
        time.sleep(0.2)
    told["status"] = data(get_batch.sync(batch, client=client)).status
    results = data(list_results.sync(batch, client=client)).items
    told["values"] = [one.values.additional_properties for one in results]
    first = results[0]
    told["image"] = get_image.sync(batch, first.filename, client=client).payload.read(2).hex()

    values = CorrectionValues.from_dict({"title": "by a client"})
    correction = Correction(version=first.version, values=values, reviewed=True)
    corrected = data(correct_result.sync(batch, first.card_id, client=client, body=correction))
    told["corrected"] = [corrected.values["title"], corrected.reviewed]
    again = correct_result.sync(batch, first.card_id, client=client, body=correction)
    told["conflict"] = again.error.code
    history = data(get_history.sync(batch, first.card_id, client=client))
    told["history"] = [(one.key, one.old, one.new) for one in history.corrections]
    told["export"] = export_batch.sync(batch, client=client).payload.read().decode().splitlines()[1].split(",")[5:7]
    told["xlsx"] = export_batch.sync(batch, client=client, format_=ExportBatchFormat.XLSX).payload.read(2).decode()
    told["retried"] = data(retry_batch.sync(batch, client=client)).retried

    refused = delete_batch.sync(batch, client=client, confirm="another")
    told["refused"] = refused.error.code
    data(delete_batch.sync(batch, client=client, confirm="Drawer 12"))
    told["gone"] = batch not in [str(one.id) for one in data(list_batches.sync(client=client)).items]
    data(delete_token.sync(script.id, client=person))
    told["revoked"] = get_me.sync(client=client).error.code
    return told


if __name__ == "__main__":
    address, name, password, scans = sys.argv[1:]
    sys.stdout.write(json.dumps(main(address, name, password, Path(scans))))
