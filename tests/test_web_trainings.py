"""The learner's trainings over HTTP, and what they do to a node."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from host import train
from host.models.changed import Changed
from host.training.trained import Trained
from host.web import trainings
from host.web.gateway import Unknown
from host.web.learning import Training
from host.web.trainings import KEPT, Shelf
from tests.patience import PATIENCE
from tests.test_web_owner import ended, rig
from tests.web_client import asking


def test_its_image_is_that_of_the_command_and_its_name_is_in_the_answer(tmp_path: Path) -> None:
    train.main(["--model", "and", "--save", str(tmp_path / "and.img")])
    with rig(1) as here, asking(here.gateway) as client:
        client.ask("POST /api/trainings", {"model": "and"})
        answer = client.client.get("/api/trainings/1/image")
        assert answer.content == (tmp_path / "and.img").read_bytes()
        assert 'filename="training-1.img"' in answer.headers["content-disposition"]


def test_what_was_learnt_runs_on_the_node() -> None:
    with rig(1) as here, asking(here.gateway) as client:
        said = client.ask("POST /api/trainings", {"model": "and"})
        done = ended(here, client.ask("POST /api/trainings/{id}/deploy", {"uid": here.uids[0]}, id="1"))
        assert done["result"]["hash"] == said["image"]["hash"]
        here.until(lambda state: state["nodes"][0]["model"])
        answer = client.ask("POST /api/nodes/{uid}/inputs", {"values": [1, 1]}, uid=here.uids[0])
        assert answer["led"]


def test_a_model_that_fixed_point_changes_is_not_sent_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trained, "changed", property(lambda self: Changed(1, 4)))
    with rig(1) as here, asking(here.gateway) as client:
        client.ask("POST /api/trainings", {"model": "and"})
        body = {"uid": here.uids[0], "allow_changed": 0.2}
        for wish in (body, {"uid": here.uids[0]}):
            refused = client.ask("POST /api/trainings/{id}/deploy", wish, 400, id="1")
            assert "CHANGES 1 of 4 decisions" in refused["error"]
        assert here.hub.state()["jobs"] == []
        begun = client.ask("POST /api/trainings/{id}/deploy", body | {"allow_changed": 0.25}, id="1")
        assert ended(here, begun)["state"] == "done"


def test_a_node_beside_it_is_told_of_epoch_by_epoch() -> None:
    with rig(1) as here, asking(here.gateway) as client, here.hub.listening(lambda: None) as box:
        frames = client.ask("POST /api/trainings", {"model": "and"})["frames"]
        ended(here, client.ask("POST /api/trainings/{id}/board", {"uid": here.uids[0]}, id="1"))
        told = [said for kind, said in box.take() if kind == "board"]
    assert [one["epoch"] for one in told] == [one["epoch"] for one in frames[1:]]
    assert [one["parameters"] for one in told] == [one["parameters"] for one in frames[1:]]
    assert all(one["equal"] for one in told)


def test_one_that_takes_longer_is_told_when_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    go, usual = threading.Event(), Training.run

    def slow(self: Training) -> None:
        assert go.wait(PATIENCE)
        usual(self)

    monkeypatch.setattr(Training, "run", slow)
    monkeypatch.setattr(trainings, "PATIENCE", 0.01)
    with rig(1) as here, asking(here.gateway) as client, here.hub.listening(lambda: None) as box:
        assert client.ask("POST /api/trainings", {"model": "and"}, 202)["state"] == "waiting"
        refused = client.ask("POST /api/trainings/{id}/deploy", {"uid": here.uids[0]}, 400, id="1")
        assert refused["error"] == "there is no model: this training is waiting"
        told = threading.Event()
        with here.hub.listening(told.set) as after:
            go.set()
            while ("training", {"id": "1"}) not in after.take():
                assert told.wait(PATIENCE)
                told.clear()
        assert client.ask("GET /api/trainings/{id}", id="1")["state"] == "trained"
        assert box.overflows == 0


def test_only_the_newest_are_kept_and_what_falls_off_is_handed_out() -> None:
    shelf = Shelf[str]("thing")
    fell = [shelf.put(shelf.number(), f"thing {number}") for number in range(KEPT + 3)]
    assert fell == [None] * KEPT + ["thing 0", "thing 1", "thing 2"]
    assert shelf.take("4") == "thing 3"
    with pytest.raises(Unknown, match=f"there is no thing 3: only the newest {KEPT} are kept"):
        shelf.take("3")
