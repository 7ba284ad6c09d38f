"""Creates custom objects and watches them; the only module that knows the Kubernetes client."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from kubernetes import client, config, watch
from urllib3.exceptions import HTTPError, MaxRetryError

Document = dict[str, Any]

_RECONNECT_SECONDS = 0.5
"""Between two tries to reach an API server that does not answer: there is nothing to wait on but itself."""
_SILENCE_SECONDS = 120
"""An API server that has not answered for so long is not just being started again."""
_WATCH_SECONDS = 300
"""One watch request lives at most so long; the next one goes on where it ended."""
_CONNECT_SECONDS = 10
_ANSWER_SECONDS = 30
"""A server that takes connections and does not answer is one that does not answer."""


class WatchError(Exception):
    """The object did not get where it should; the message names it and tells what was last seen of it."""


@dataclass(frozen=True)
class Kind:
    """A namespaced custom kind."""

    group: str
    version: str
    plural: str
    name: str


class Objects:
    """Objects of one kind in one namespace."""

    def __init__(self, kind: Kind, namespace: str) -> None:
        """Connects as the environment says: KUBECONFIG, else the pod's service account."""
        config.load_config()
        self._server = client.Configuration.get_default_copy().host
        self._kind = kind
        self._namespace = namespace
        self._api = client.CustomObjectsApi()
        self._where = (kind.group, kind.version, namespace, kind.plural)

    def create_or_attach(self, document: Document, failed: Callable[[Document], bool], deadline: float) -> Document:
        """Creates the object; one of its name that is there already is what an earlier attempt created: it is returned.

        Only where that one has `failed` it is deleted and created anew. `deadline` is a `time.monotonic()`.
        """
        name = document["metadata"]["name"]
        while True:
            try:
                return self._call("created", name, deadline, self._api.create_namespaced_custom_object, document)
            except client.ApiException as error:
                if error.status != HTTPStatus.CONFLICT:
                    raise WatchError(f"{self._named(name)} was refused: {_message(error)}") from error
            found = self.get(name, deadline)
            if found is not None and not failed(found):
                print(f"{self._named(name)} is there already: attached to it", flush=True)
                return found
            self._delete(name, deadline)

    def get(self, name: str, deadline: float) -> Document | None:
        """The object, or None where there is none."""
        try:
            return self._call("read", name, deadline, self._api.get_namespaced_custom_object, name)
        except client.ApiException as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise WatchError(f"{self._named(name)} cannot be read: {_message(error)}") from error

    def states(self, name: str, deadline: float, describe: Callable[[Document], str]) -> Iterator[Document]:
        """Yields every state of the object, the present one first, until the caller has seen enough.

        Raises WatchError where the object goes away, or at the deadline with what `describe` says of its last state.
        """
        seen = "nothing"
        while True:
            state = self.get(name, deadline)
            if state is None:
                raise WatchError(f"{self._named(name)} was deleted while it was waited for; last seen: {seen}")
            yield state
            seen = describe(state)
            for event in self._events(name, state["metadata"]["resourceVersion"], deadline):
                if event["type"] not in ("ADDED", "MODIFIED"):
                    break
                yield event["object"]
                seen = describe(event["object"])
            if time.monotonic() > deadline:
                raise WatchError(f"{self._named(name)} took too long; last seen: {seen}")

    def _events(self, name: str, version: str, deadline: float) -> Iterator[Document]:
        """What happens to the object from this version on, until the server ends the watch or goes away."""
        seconds = max(1, min(_WATCH_SECONDS, int(deadline - time.monotonic())))
        events: Any = watch.Watch().stream(
            self._api.list_namespaced_custom_object,
            *self._where,
            field_selector=f"metadata.name={name}",
            resource_version=version,
            timeout_seconds=seconds,
            _request_timeout=(_CONNECT_SECONDS, seconds + _ANSWER_SECONDS),
        )
        try:
            yield from events
        except client.ApiException as error:
            # 410: too old a version to go on from; anything else in this class is answered the same way by a get.
            if error.status not in (HTTPStatus.GONE, HTTPStatus.INTERNAL_SERVER_ERROR):
                raise WatchError(f"{self._named(name)} cannot be watched: {_message(error)}") from error
        except (HTTPError, OSError):
            # A get, which follows, waits until it is back, and says so where it does not come.
            time.sleep(_RECONNECT_SECONDS)

    def _delete(self, name: str, deadline: float) -> None:
        try:
            self._call("deleted", name, deadline, self._api.delete_namespaced_custom_object, name)
        except client.ApiException as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise WatchError(f"{self._named(name)} cannot be deleted: {_message(error)}") from error
        while (found := self.get(name, deadline)) is not None:
            if time.monotonic() > deadline:
                raise WatchError(f"{self._named(name)} failed before and does not go away")
            for event in self._events(name, found["metadata"]["resourceVersion"], deadline):
                if event["type"] == "DELETED":
                    break

    def _call(
        self,
        done: str,
        name: str,
        deadline: float,
        call: Callable[..., object],
        what: Document | str,
    ) -> Document:
        """Calls the API, again while nobody answers: a restarting server must not fail a step.

        Raises WatchError where it stays silent, or is another than the one we know. `done` is the call as a participle.
        """
        patience = min(time.monotonic() + _SILENCE_SECONDS, deadline)
        while True:
            try:
                found = call(*self._where, what, _request_timeout=(_CONNECT_SECONDS, _ANSWER_SECONDS))
            except (HTTPError, OSError) as error:
                cause = _cause(error)
                # Its certificate is not of the authority that our configuration names: waiting makes it no other.
                if isinstance(cause, ssl.SSLCertVerificationError) or time.monotonic() > patience:
                    raise WatchError(
                        f"{self._named(name)} cannot be {done}: the Kubernetes API at {self._server} does not answer:"
                        f" {cause}: `cargo xtask status`",
                    ) from error
                time.sleep(_RECONNECT_SECONDS)
            else:
                assert isinstance(found, dict)
                return found

    def _named(self, name: str) -> str:
        return f"{self._kind.name} {self._namespace}/{name}"


def run_name(prefix: str) -> str:
    """Name of what this run creates: the prefix and the first 12 hexadecimal digits of the run's id."""
    run_id = os.environ.get("KFP_RUN_ID", "")
    digits = "".join(character for character in run_id.lower() if character in "0123456789abcdef")
    if not digits:
        raise WatchError("environment variable KFP_RUN_ID is not set: this step runs inside a pipeline run")
    return f"{prefix}-{digits[:12]}"


def _cause(error: BaseException) -> BaseException:
    """What a failed request comes from: urllib3 wraps it once for its retries and once for its pool."""
    if isinstance(error, MaxRetryError) and error.reason is not None:
        return _cause(error.reason)
    wrapped = error.args[0] if error.args else None
    return _cause(wrapped) if isinstance(wrapped, BaseException) else error


def _message(error: client.ApiException) -> str:
    import json

    try:
        return str(json.loads(error.body or "{}")["message"])
    except (ValueError, KeyError, TypeError):
        return f"{error.status} {error.reason}"
