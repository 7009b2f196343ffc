"""One comment, written anew: against a fake of each service's API on loopback, as strict as its documentation.

Doesn't prove: the services themselves, which are out of reach.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ops.errors import EstateError
from ops.review.markdown import MARK
from ops.review.posting import post

TOKEN = "-".join(("canary", "token"))
GITHUB, GITLAB = "/repos/acme/vault/issues", "/projects/7/merge_requests/12/notes"


class _Fake(ThreadingHTTPServer):
    """A fake of both services: comments by id, and who may write them."""

    comments: dict[int, str]
    status = 200

    def handle_error(self, *_: object) -> None:
        """A client that ends early is no matter here."""


class _Handler(BaseHTTPRequestHandler):
    server: _Fake

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _serve(self) -> None:
        url = urlsplit(self.path)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or "null")
        github, gitlab = url.path.startswith("/repos/"), url.path.startswith("/projects/")
        allowed = (github and self.headers["Authorization"] == f"Bearer {TOKEN}") or (
            gitlab and self.headers["PRIVATE-TOKEN"] == TOKEN
        )
        status = 401 if not allowed else self.server.status
        answer: Any = {"message": "refused"}
        comments, last = self.server.comments, url.path.rsplit("/", 1)[-1]
        if status < 300 and self.command == "GET" and url.path in (f"{GITHUB}/12/comments", GITLAB):
            query = parse_qs(url.query)
            size, page = int(query["per_page"][0]), int(query["page"][0])
            rows = [{"id": number, "body": text} for number, text in comments.items()]
            answer = rows[size * (page - 1) : size * page]
        elif status < 300 and self.command == "POST" and url.path in (f"{GITHUB}/12/comments", GITLAB):
            status, answer = 201, {"id": len(comments) + 1}
            comments[len(comments) + 1] = body["body"]
        elif status < 300 and self.command == ("PATCH" if github else "PUT") and int(last) in comments:
            comments[int(last)], answer = body["body"], {"id": int(last)}
        elif status < 300:
            status = 404
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_PUT = _serve  # noqa: N815 - names of http.server


@pytest.fixture
def fake() -> Iterator[_Fake]:
    """The API, without a comment."""
    server = _Fake(("127.0.0.1", 0), _Handler)
    server.comments = {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["github", "gitlab"])
def pipeline(request: pytest.FixtureRequest, fake: _Fake, tmp_path: Path) -> Mapping[str, str]:
    """The variables of a pull request's pipeline."""
    api = f"http://127.0.0.1:{fake.server_port}"
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 12}}))
    if request.param == "github":
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": api,
            "GITHUB_REPOSITORY": "acme/vault",
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_TOKEN": TOKEN,
        }
    return {
        "GITLAB_CI": "true",
        "CI_API_V4_URL": api,
        "CI_PROJECT_ID": "7",
        "CI_MERGE_REQUEST_IID": "12",
        "GITLAB_TOKEN": TOKEN,
    }


def test_there_is_one_comment_however_often_it_is_written(fake: _Fake, pipeline: Mapping[str, str]) -> None:
    fake.comments = {1: "looks good", 2: f"somebody quotes {MARK}"}
    assert post(f"{MARK}\nfirst", pipeline) == "created"
    assert post(f"{MARK}\nsecond", pipeline) == "updated"
    assert list(fake.comments.values())[2:] == [f"{MARK}\nsecond"]


def test_it_is_found_behind_many_others(fake: _Fake, pipeline: Mapping[str, str]) -> None:
    fake.comments = dict.fromkeys(range(1, 251), "talk") | {251: f"{MARK}\nold"}
    assert post(f"{MARK}\nnew", pipeline) == "updated"
    assert (len(fake.comments), fake.comments[251]) == (251, f"{MARK}\nnew")


@pytest.mark.parametrize(("status", "expected"), [(403, "a token that may write comments"), (500, "success")])
def test_a_refusal_is_one_line_without_the_token(
    fake: _Fake, pipeline: Mapping[str, str], status: int, expected: str
) -> None:
    fake.status = status
    with pytest.raises(EstateError, match=rf"^--post: GET http\S+ answered {status}; expected {expected}$") as caught:
        post(MARK, pipeline)
    assert TOKEN not in str(caught.value)


def test_a_service_that_is_away_is_told(fake: _Fake, pipeline: Mapping[str, str]) -> None:
    fake.shutdown()
    fake.server_close()
    with pytest.raises(EstateError, match=r"doesn't answer \(ConnectionError\); expected the service"):
        post(MARK, pipeline)


def test_outside_of_a_pipeline_it_is_refused() -> None:
    with pytest.raises(EstateError, match="--post: this is no pipeline; expected GitHub's or GitLab's"):
        post(MARK, {})


def test_each_variable_is_needed(pipeline: Mapping[str, str]) -> None:
    for name in pipeline:
        if name not in ("GITHUB_ACTIONS", "GITLAB_CI"):
            with pytest.raises(EstateError, match=f"--post: {name} is not set; expected it"):
                post(MARK, {key: value for key, value in pipeline.items() if key != name})


@pytest.mark.parametrize("event", ["", "{}", '{"pull_request": null}'])
def test_an_event_of_another_kind_is_refused(tmp_path: Path, event: str) -> None:
    (tmp_path / "event.json").write_text(event)
    names = ("GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_TOKEN")
    variables = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        **dict.fromkeys(names, "x"),
    }
    with pytest.raises(EstateError, match="the event is no pull request's"):
        post(MARK, variables)
