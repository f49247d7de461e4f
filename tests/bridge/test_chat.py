"""Captions and answers by an endpoint of OpenAI's protocol that runs here, with the tiny bundle."""

from __future__ import annotations

import base64
import json
import logging
import socket
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

import revln
from chat_server import KEY, MODEL, ChatServer, Step, completion, fails, says
from revln.errors import BundleError, GeneratorError, ImageError, InputError, MissingExtraError, QueryError
from revln.models import Model, load_model
from revln.pipeline import Memory, ask_all, caption_all
from revln.types import Answer, WriteReply, WriteRequest
from tiny_bundle import make_tiny_bundle

MakePhoto = Callable[..., Path]
NAME = f"openai:{MODEL}"
RED, BLUE = (255, 0, 0), (0, 0, 255)
pytest.importorskip("openai", reason="needs revln[openai]")


@pytest.fixture(scope="session")
def speaking(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "speaking", generator=True))


@pytest.fixture
def taught(tmp_path: Path, tiny_model: Model, make_photo: MakePhoto) -> Memory:
    """A memory of the bundle without a generator: Ada is red, a dog is blue."""
    memory = Memory.open(tmp_path / "taught.revln", model=tiny_model)
    memory.add(image=make_photo(tmp_path / "ada.png", RED), texts=["Ada on the wall", "墙上的红色"], label="person")
    memory.add(image=make_photo(tmp_path / "dog.png", BLUE), texts=["a dog on the beach", "一只狗"])
    return memory


@pytest.fixture
def red(tmp_path: Path, make_photo: MakePhoto) -> Path:
    return make_photo(tmp_path / "red.jpg", (240, 20, 10))


def ids(memory: Memory, photo: str) -> str:
    (hit,) = (hit for hit in memory.search("red", k=10) if hit.record.uri.endswith(photo))
    return hit.record.id


def pieces(text: str) -> list[dict[str, object]]:
    """The evidence in a request."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def sent_photo(server: ChatServer) -> tuple[bytes, Image.Image]:
    (part,) = (part for part in server.parts() if part["type"] == "image_url")
    head, _, encoded = part["image_url"]["url"].partition(",")
    assert head == "data:image/jpeg;base64"
    data = base64.b64decode(encoded, validate=True)
    return data, Image.open(BytesIO(data))


def failure(red: Path, model: Model) -> GeneratorError:
    with pytest.raises(GeneratorError) as caught:
        revln.caption(red, model=model, generator=NAME)
    shown = f"{caught.value!r} {caught.value} {caught.value.__cause__}"
    assert KEY not in shown
    assert caught.value.name == str(red)
    return caught.value


def test_a_caption_with_the_records_that_it_cites(server: ChatServer, taught: Memory, red: Path) -> None:
    ada = ids(taught, "ada.png")
    server.does(says({"text": "Ada smiles.", "evidence": [ada], "sure": 0.8}))
    answer = revln.caption(red, memory=taught, generator=NAME)
    assert (answer.uri, answer.text, answer.confidence, answer.abstained) == (str(red), "Ada smiles.", 0.8, False)
    assert [(own.hit.record.id, own.weight) for own in answer.evidence] == [(ada, 1.0)]
    assert (answer.none_weight, answer.language, answer.question) == (0.0, "en", None)


def test_what_is_sent(server: ChatServer, taught: Memory, red: Path) -> None:
    revln.ask(red, "Who is on the wall?", memory=taught, generator=NAME)
    assert server.paths == ["/v1/chat/completions"]
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    (request,) = server.requests
    assert (request["model"], request["response_format"]) == (MODEL, {"type": "json_object"})
    assert '"evidence"' in request["messages"][0]["content"]
    text = server.text()
    assert "Who is on the wall?" in text.splitlines()[-1]
    first, second = pieces(text)
    assert first == {"id": ids(taught, "ada.png"), "text": "Ada on the wall", "label": "person",
                     "likeness": first["likeness"]}  # fmt: skip
    assert 0.9 < float(first["likeness"]) <= 1
    assert second == {"id": ids(taught, "dog.png"), "text": "a dog on the beach", "likeness": second["likeness"]}
    assert str(red.parent) not in json.dumps(request), "no path leaves the machine"


def test_the_photo_is_small_and_bare(server: ChatServer, tiny_model: Model, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0110] = "SecretCamera"
    exif[0x0112] = 6  # to be turned
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    photo = tmp_path / "large.jpg"
    Image.new("RGB", (3000, 1500), RED).save(photo, exif=exif, comment=b"SecretComment", xmp=b"<x>SecretXmp</x>")
    assert b"SecretCamera" in photo.read_bytes()
    revln.caption(photo, model=tiny_model, generator=NAME)
    data, image = sent_photo(server)
    assert (image.format, image.size, dict(image.getexif())) == ("JPEG", (512, 1024), {})
    assert b"Secret" not in data
    assert b"Exif" not in data
    assert not {"exif", "comment", "xmp", "icc_profile"} & set(image.info)


def test_a_small_photo_is_not_enlarged_and_images_in_memory_are_sent(server: ChatServer, tiny_model: Model) -> None:
    answer = revln.caption(Image.new("RGBA", (40, 30), (0, 0, 255, 255)), model=tiny_model, generator=NAME)
    assert answer.uri == "image 1"
    _, image = sent_photo(server)
    assert (image.size, image.mode) == ((40, 30), "RGB")
    assert image.getpixel((3, 3)) == pytest.approx(BLUE, abs=4)


@pytest.mark.parametrize(
    ("lang", "wish"),
    [(None, "Write a caption of the photo in English."), ("zh", "请用中文为照片写一句描述。"),
     ("de", "Write a caption of the photo in German."), ("eo", "the language with the code 'eo'")],
)  # fmt: skip
def test_languages_of_captions(server: ChatServer, taught: Memory, red: Path, lang: str | None, wish: str) -> None:
    answer = revln.caption(red, memory=taught, lang=lang, generator=NAME)
    assert wish in server.text()
    assert answer.language == (lang or "en")
    texts = [piece["text"] for piece in pieces(server.text())]
    assert texts == (["墙上的红色", "一只狗"] if lang == "zh" else ["Ada on the wall", "a dog on the beach"])


def test_a_question_in_chinese(server: ChatServer, taught: Memory, red: Path) -> None:
    server.does(says({"text": None, "evidence": []}))
    answer = revln.ask(red, "谁在墙上？", memory=taught, generator=NAME)
    assert (answer.text, answer.abstained, answer.confidence, answer.language) == ("我不知道", True, None, "zh")
    assert server.requests[0]["messages"][0]["content"].startswith("你的任务")
    assert server.text().splitlines()[-1] == "关于照片的问题，请用中文回答：谁在墙上？"


def test_a_question_in_another_script(server: ChatServer, tiny_model: Model, red: Path) -> None:
    answer = revln.ask(red, "Кто на стене?", model=tiny_model, generator=NAME)
    assert answer.language is None
    assert server.text().endswith("in its own language: Кто на стене?")


def test_without_evidence_that_is_said(server: ChatServer, taught: Memory, red: Path) -> None:
    answer = revln.caption(red, memory=taught, k=0, generator=NAME)
    assert (answer.evidence, answer.none_weight) == ((), 1.0)
    assert pieces(server.text()) == []
    assert "There is no evidence" in server.text()


def test_records_of_the_photo_itself_can_be_left_out(server: ChatServer, taught: Memory, tmp_path: Path) -> None:
    revln.caption(tmp_path / "ada.png", memory=taught, exclude_self=True, generator=NAME)
    assert [piece["text"] for piece in pieces(server.text())] == ["a dog on the beach"]


def test_cited_records_share_the_weight(server: ChatServer, taught: Memory, red: Path) -> None:
    ada, dog = ids(taught, "ada.png"), ids(taught, "dog.png")
    server.does(says({"text": "Ada.", "evidence": [dog, ada, dog], "sure": 1}))
    answer = revln.caption(red, memory=taught, generator=NAME)
    assert [(own.hit.record.id, own.weight) for own in answer.evidence] == [(dog, 0.5), (ada, 0.5)]
    assert answer.none_weight == 0


def test_unknown_ids_are_left_out(
    server: ChatServer, taught: Memory, red: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.does(says({"text": "Ada.", "evidence": ["0" * 20]}))
    answer = revln.caption(red, memory=taught, generator=NAME)
    assert (answer.evidence, answer.none_weight, answer.confidence) == ((), 1.0, None)
    assert "'00000000000000000000', which it was not given" in caplog.text


def test_in_a_fence(server: ChatServer, tiny_model: Model, red: Path) -> None:
    server.does(says('```json\n{"text": "A wall.", "evidence": [], "sure": 0.6}\n```'))
    assert revln.caption(red, model=tiny_model, generator=NAME).text == "A wall."


def test_it_does_not_know(server: ChatServer, tiny_model: Model, red: Path) -> None:
    server.does(says({"text": None, "evidence": [], "sure": 0}))
    answer = revln.caption(red, model=tiny_model, generator=NAME)
    assert (answer.text, answer.abstained, answer.confidence) == ("I don't know", True, 0.0)


@pytest.mark.parametrize(("threshold", "abstained"), [(0.2, True), (0.1, False), (0.0, False)])
def test_it_is_not_sure_enough(
    server: ChatServer, tiny_model: Model, red: Path, threshold: float, abstained: bool
) -> None:
    server.does(says({"text": "Ada", "sure": 0.15}))
    answer = revln.ask(red, "Who?", model=tiny_model, threshold=threshold, generator=NAME)
    assert (answer.text, answer.abstained) == (("I don't know" if abstained else "Ada"), abstained)
    assert (answer.confidence, answer.question) == (0.15, "Who?")


def test_an_endpoint_that_takes_no_form_is_asked_without_from_then_on(
    server: ChatServer, tiny_model: Model, red: Path
) -> None:
    good = says({"text": "A wall.", "sure": 0.6})
    server.react = lambda request: fails(400, "unknown response_format") if "response_format" in request else good
    answers = list(caption_all([red, red], model=tiny_model, generator=NAME))
    assert [answer.text for answer in answers] == ["A wall."] * 2
    assert ["response_format" in request for request in server.requests] == [True, False, False]


@pytest.mark.parametrize("first", [fails(429, headers={"retry-after": "1"}), fails(500), fails(503)])
def test_it_is_asked_again_after_what_passes(server: ChatServer, tiny_model: Model, red: Path, first: Step) -> None:
    server.does(first, says({"text": "A wall.", "sure": 0.6}))
    assert revln.caption(red, model=tiny_model, generator=NAME).text == "A wall."
    assert len(server.requests) == 2
    if first.status == 429:
        assert server.times[1] - server.times[0] >= 0.9, "Retry-After is honoured"


@pytest.mark.parametrize(
    ("step", "tries", "message"),
    [
        (fails(429, "slow down"), 3, "429 (slow down): too many requests or no quota left, after 2 retries"),
        (fails(500, "oops"), 3, "500 (oops): it failed, 2 retries included"),
        (fails(401, f"bad key {KEY}"), 1, "401 (bad key [key]): the key is missing or refused"),
        (fails(404, "no such model"), 1, f"404 (no such model): no model '{MODEL}' there"),
        (fails(400, "no images"), 2, "400 (no images): it refuses the request: use a model that takes images"),
        (Step(502, b"<html>bad gateway</html>", "text/html"), 3, "502: it failed"),
        (Step(200, b"<html>hello</html>", "text/html"), 1, "no chat completion"),
        (Step(200, b"<html>hello</html>"), 1, "replied with no JSON"),
        (Step(200, b'{"hello": "world"}'), 1, "no chat completion"),
        (Step(200, b"[1, 2]"), 1, "no chat completion"),
        (Step(200, b""), 1, "replied with"),
        (Step(200, json.dumps(completion("x") | {"choices": []}).encode()), 1, "or an empty one"),
        (Step(200, json.dumps(completion("x") | {"choices": None}).encode()), 1, "or an empty one"),
        (says(None), 1, "or an empty one"),
        (says("It is a wall."), 1, "replied 'It is a wall.', which is not the JSON that it was told to write"),
        (says({"caption": "A wall."}), 1, "which is not the JSON that it was told to write"),
    ],
)  # fmt: skip
def test_failures_name_the_endpoint_and_the_way_out(
    server: ChatServer, tiny_model: Model, red: Path, step: Step, tries: int, message: str
) -> None:
    server.does(step)
    error = failure(red, tiny_model)
    assert message in error.reason
    assert server.url in error.reason
    assert len(server.requests) == tries


def test_slow(server: ChatServer, tiny_model: Model, red: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVLN_OPENAI_TIMEOUT", "0.2")
    server.does(says("late", after=0.6))
    error = failure(red, tiny_model)
    assert error.reason.startswith(f"{server.url}: no answer within 0.2 s, 3 times: use a smaller model, or set REVLN_")
    assert len(server.requests) == 3


def test_nobody_listens(tiny_model: Model, red: Path, server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # taken, but not listened at
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/v1"
        monkeypatch.setenv("REVLN_OPENAI_BASE_URL", url)
        error = failure(red, tiny_model)
    assert error.reason.startswith(f"{url}: cannot be reached (")
    assert error.reason.endswith("start the server, or set REVLN_OPENAI_BASE_URL")


def test_secrets_in_the_address_are_not_told(
    tiny_model: Model, red: Path, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = server.url.replace("http://", "http://me:hush@") + "?token=hush"
    monkeypatch.setenv("REVLN_OPENAI_BASE_URL", address)
    server.does(fails(404))
    error = failure(red, tiny_model)
    assert "hush" not in error.reason
    assert server.url in error.reason


def test_no_key_in_logs(server: ChatServer, tiny_model: Model, red: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        revln.caption(red, model=tiny_model, generator=NAME)
    assert KEY not in caplog.text


def test_answers_that_are_made_are_kept_when_one_fails(
    server: ChatServer, tiny_model: Model, tmp_path: Path, make_photo: MakePhoto
) -> None:
    photos = [make_photo(tmp_path / f"{number}.png", RED) for number in range(3)]
    photos.insert(1, tmp_path / "gone.png")
    good = says({"text": "A wall.", "sure": 0.6})
    server.does(good, says("rubbish"), good)
    failed: list[ImageError | GeneratorError] = []
    done: list[int] = []
    answers = list(
        caption_all(
            photos,
            model=tiny_model,
            generator=NAME,
            unreadable=failed.append,
            progress=lambda count, total: done.append(count),
        )
    )
    assert [answer.uri for answer in answers] == [str(photos[0]), str(photos[3])]
    assert [(type(error), error.name) for error in failed] == [
        (ImageError, str(photos[1])), (GeneratorError, str(photos[2]))
    ]  # fmt: skip
    assert "rubbish" in failed[1].reason
    assert done == [1, 2, 3, 4]


def test_what_would_fail_again_is_not_tried_again(
    server: ChatServer, tiny_model: Model, tmp_path: Path, make_photo: MakePhoto
) -> None:
    photos = [make_photo(tmp_path / f"{number}.png", RED) for number in range(3)]
    server.does(says({"text": "A wall."}), fails(401))
    failed: list[ImageError | GeneratorError] = []
    assert len(list(caption_all(photos, model=tiny_model, generator=NAME, unreadable=failed.append))) == 1
    assert [error.name for error in failed] == [str(photo) for photo in photos[1:]]
    assert failed[0].reason == failed[1].reason
    assert len(server.requests) == 2


def test_several_questions(server: ChatServer, tiny_model: Model, red: Path) -> None:
    server.does(says({"text": "one"}), says({"text": "two"}))
    answers = list(ask_all([(red, "What?"), (red, "Who?")], model=tiny_model, generator=NAME))
    assert [(answer.question, answer.text) for answer in answers] == [("What?", "one"), ("Who?", "two")]


def test_a_model_without_a_generator_recalls_as_one_with_usual_weights(
    server: ChatServer, taught: Memory, red: Path
) -> None:
    with pytest.raises(BundleError, match="no generator"):
        revln.caption(red, memory=taught)
    assert server.requests == []
    revln.caption(red, memory=taught, generator=NAME)
    assert [piece["text"] for piece in pieces(server.text())] == ["Ada on the wall", "a dog on the beach"]


def test_without_the_option_nothing_is_contacted(
    server: ChatServer, speaking: Model, red: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    revln.caption(red, model=speaking)
    revln.ask(red, "What is red?", model=speaking)
    assert server.requests == []
    revln.caption(red, model=speaking, generator=NAME)
    assert len(server.requests) == 1


def test_settings_of_the_client_itself(
    server: ChatServer, tiny_model: Model, red: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REVLN_OPENAI_BASE_URL")
    monkeypatch.delenv("REVLN_OPENAI_API_KEY")
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "general")
    revln.caption(red, model=tiny_model, generator=NAME)
    monkeypatch.setenv("REVLN_OPENAI_API_KEY", "own")
    revln.caption(red, model=tiny_model, generator=NAME)
    assert [headers["authorization"] for headers in server.headers] == ["Bearer general", "Bearer own"]


def test_own_settings_come_first_and_the_general_key_goes_nowhere_else(
    server: ChatServer, tiny_model: Model, red: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "general")
    revln.caption(red, model=tiny_model, generator=NAME)
    monkeypatch.delenv("REVLN_OPENAI_API_KEY")
    revln.caption(red, model=tiny_model, generator=NAME)
    assert [headers["authorization"] for headers in server.headers] == [f"Bearer {KEY}", "Bearer none"]


def test_without_a_key_openai_itself_is_not_contacted(
    server: ChatServer, tiny_model: Model, red: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REVLN_OPENAI_BASE_URL")
    monkeypatch.delenv("REVLN_OPENAI_API_KEY")
    with pytest.raises(GeneratorError, match=r"//api\.openai\.com/v1: needs a key: set OPENAI_API_KEY, or"):
        revln.caption(red, model=tiny_model, generator=NAME)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("REVLN_OPENAI_TIMEOUT", "soon", "REVLN_OPENAI_TIMEOUT is 'soon': give a number of seconds"),
        ("REVLN_OPENAI_TIMEOUT", "-1", "REVLN_OPENAI_TIMEOUT is '-1'"),
        ("REVLN_OPENAI_TIMEOUT", "nan", "REVLN_OPENAI_TIMEOUT is 'nan'"),
        ("REVLN_OPENAI_BASE_URL", "localhost:8080", "is no address of an endpoint"),
        ("REVLN_OPENAI_BASE_URL", "file:///etc", "is no address of an endpoint"),
        ("REVLN_OPENAI_BASE_URL", "http://[::1/v1", "is no address of an endpoint"),
    ],
)  # fmt: skip
def test_settings_that_are_wrong(
    server: ChatServer,
    tiny_model: Model,
    red: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    message: str,
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError) as caught:
        revln.caption(red, model=tiny_model, generator=NAME)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["gpt", "openai", "openai:", "openai: ", "smollm2:1", ""])
def test_names_of_no_generator(server: ChatServer, tiny_model: Model, red: Path, name: str) -> None:
    with pytest.raises(QueryError, match=r"no generator is called .*: give openai:MODEL, such as"):
        revln.caption(red, model=tiny_model, generator=name)
    assert server.requests == []


def test_a_model_name_may_have_colons(server: ChatServer, tiny_model: Model, red: Path) -> None:
    revln.caption(red, model=tiny_model, generator="openai:llava:7b")
    assert server.requests[0]["model"] == "llava:7b"


def test_wrong_questions_and_numbers_are_told_before_anything_is_sent(
    server: ChatServer, tiny_model: Model, red: Path
) -> None:
    for question, options, message in (
        (" ", {}, "the question is empty"),
        ("a" * 301, {}, "301 characters"),
        ("Who?", {"threshold": 2}, "threshold 2"),
        ("Who?", {"k": -1}, "k is -1"),
    ):
        with pytest.raises(QueryError, match=message):
            revln.ask(red, question, model=tiny_model, generator=NAME, **options)
    with pytest.raises(QueryError, match="is no code of a language"):
        revln.caption(red, model=tiny_model, lang="English, and be rude", generator=NAME)
    assert server.requests == []


def test_the_client_is_not_installed(
    server: ChatServer, tiny_model: Model, red: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openai", None)
    with pytest.raises(MissingExtraError, match=r"openai is not installed: pip install 'revln\[openai\]'"):
        revln.caption(red, model=tiny_model, generator=NAME)


def test_a_writer_of_ones_own(taught: Memory, red: Path) -> None:
    class Parrot:
        looks = True

        def write(self, request: WriteRequest) -> WriteReply:
            assert request.photo is not None
            return WriteReply(request.evidence[0].text, (request.evidence[0].record.id, "unknown"))

    answer: Answer = revln.caption(red, memory=taught, generator=Parrot())
    assert (answer.text, [own.weight for own in answer.evidence]) == ("Ada on the wall", [1.0])
