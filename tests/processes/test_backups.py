"""A backup of a site that reads, brought back elsewhere: the batch goes on there where it was."""

import pytest

from tests import vlm_server
from tests.processes.test_kills import batch_of, consumer, each_card_has_its_own_answer_once, make_batch, site_of
from tests.processes.test_kills import variables as variables_of
from tests.site.processes import manage
from tests.waiting import until

pytestmark = pytest.mark.processes

NUMBER = 24


def test_a_backup_while_cards_are_read_goes_on_elsewhere(tmp_path):
    with vlm_server.running(delay=0.2) as server:
        data, variables = site_of(tmp_path, server), variables_of(server)
        pk = make_batch(data, server, NUMBER)
        with consumer(data, server) as process:
            until(lambda: batch_of(data, pk)["completed"] > 3, 60)
            server.delay = 30.0  # calls are under way while the backup is made
            made = manage(data, "backup", str(tmp_path / "cards.tar"), **variables)
            assert made.returncode == 0, made.stderr
            process.kill()
        server.delay = 0.0
        elsewhere = tmp_path / "elsewhere"
        restored = manage(elsewhere, "restore", str(tmp_path / "cards.tar"), **variables)
        assert restored.returncode == 0, restored.stderr
        before, asked = batch_of(elsewhere, pk), len(server.calls)
        assert before["status"] == "running"
        assert 3 < before["completed"] < NUMBER
        with consumer(elsewhere, server):
            until(lambda: batch_of(elsewhere, pk)["status"] == "completed", 60)
            doctor = manage(elsewhere, "doctor", "--no-calls", **variables)
            assert "FAILED" not in doctor.stdout, doctor.stdout
        each_card_has_its_own_answer_once(elsewhere, pk, NUMBER)
        assert len(server.calls) - asked == NUMBER - before["completed"]
