"""What every app of the tests would make anew, though it comes out the same: made once, and kept.

An app for each test shares nothing with that of another test that could carry a state. What is
kept here carries none: the code of templates and of addresses, which is computed from their text.
"""

from types import CodeType
from typing import Any

from flask import Flask
from flask_security import core
from jinja2.bccache import Bucket, BytecodeCache
from werkzeug.routing import Rule


class KeptTemplates(BytecodeCache):
    """The compiled templates of one kind of environment, by name and text."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give what was compiled from this text, if anything was."""
        bucket.code = self._kept.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled."""
        if bucket.code is not None:
            self._kept[bucket.key, bucket.checksum] = bucket.code


PAGES = KeptTemplates()
MAILS = KeptTemplates()


def with_kept_templates(app: Flask) -> Flask:
    """An app that compiles no template that an app before it has compiled."""
    app.jinja_env.bytecode_cache = PAGES
    for environment in app.extensions["booking"].renderer._environments.values():
        environment.bytecode_cache = MAILS
    return app


def keep_addresses() -> None:
    """Let the functions that build an address be compiled once for each address."""
    compile_builder = Rule._compile_builder
    kept: dict[object, Any] = {}

    def once(rule: Rule, append_unknown: bool = True) -> Any:
        key = (rule.rule, append_unknown, repr(rule.defaults), tuple(rule._trace))
        if key not in kept:
            kept[key] = compile_builder(rule, append_unknown)
        return kept[key]

    Rule._compile_builder = once  # type: ignore[assignment,method-assign]


def hash_quickly() -> None:
    """Let a password cost a thousandth of what it costs in real life; argon2id all the same."""
    core._default_config["PASSWORD_HASH_PASSLIB_OPTIONS"] = {
        "argon2__rounds": 1,
        "argon2__memory_cost": 8,
        "argon2__parallelism": 1,
    }
