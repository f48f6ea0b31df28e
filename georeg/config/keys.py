"""Reads `[keys]` of a config file: each secret inline, from a file or from the environment.

`secret = "..."`, `secret_file = "path"` (relative to the config file) and `secret_env = "NAME"` are
three ways to give one thing; exactly one of them must be there. Cluster and session keys are
base64url of 32 to 64 bytes, as `georeg keygen` makes them; weak ones are refused, because a person
who types a password here would weaken every promise that rests on them. No message repeats a
secret.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from georeg.config.model import Keys
from georeg.config.reader import Table
from georeg.edge.errors import SettingsError
from georeg.edge.jwk import VerificationKey, parse_jwks, pem_key, secret_key
from georeg.edge.keysets import check_url
from georeg.ops.keys import OperatorKey

WAYS = ("", "_file", "_env")
"""What is appended to a key's name: the secret itself, a file that holds it, a variable."""
SECRET_BYTES_MIN = 32
SECRET_BYTES_MAX = 64
_DISTINCT_MIN = 12
"""32 random bytes hold some 30 different ones; a typed or repeated pattern far fewer."""
_RING_MAX = 8
_BACKENDS_MAX = 256
_ENTITLEMENTS_MAX = 32
_FILE_BYTES_MAX = 64 * 1024
_ENV_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_BACKEND_NAME = r"[A-Za-z0-9_-]{1,64}"
_KID = r"[\x20-\x7e]{1,256}"


class Sources:
    """Where texts come from that are not in the file itself."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._directory = directory
        self._environment = environment

    def path(self, text: str) -> Path:
        """A path of the file, relative to the directory that the file is in."""
        return self._directory / Path(text).expanduser()

    def text(self, table: Table, key: str, remedy: str) -> str | None:
        """The text of `key`, `key_file` or `key_env`; None when none is there or it is wrong."""
        ways = [key + way for way in WAYS]
        table.know(*ways)
        given = [way for way in ways if table.has(way)]
        if len(given) != 1:
            message = "is given more than once" if given else "is missing"
            one_of = f"give one of {', '.join(ways)}"
            table.wrong(given[0] if given else key, message, f"{one_of}; {remedy}")
            return None
        found = table.text(given[0], remedy, pattern=r"[\s\S]+")
        if not found:
            return None
        if given[0] == ways[1]:
            return self._from_file(table, given[0], found)
        if given[0] == ways[2]:
            return self._from_environment(table, given[0], found)
        return found

    def _from_file(self, table: Table, key: str, text: str) -> str | None:
        path = self.path(text)
        try:
            if path.stat().st_size > _FILE_BYTES_MAX:
                table.wrong(key, f"{path} is too large for a key", "is it the right file?")
                return None
            return path.read_text(encoding="utf-8").strip()
        except OSError as error:
            why = error.strerror or str(error)
            table.wrong(key, f"cannot read {path}: {why}", "paths are relative to this file")
        except UnicodeDecodeError:
            table.wrong(key, f"{path} is not text", "give a file with the key as text")
        return None

    def _from_environment(self, table: Table, key: str, name: str) -> str | None:
        if re.fullmatch(_ENV_NAME, name) is None:
            table.wrong(key, f'"{name}" cannot name a variable', "give the name, not the secret")
            return None
        value = self._environment.get(name, "").strip()
        if not value:
            table.wrong(key, f"the environment has no {name}", "set it where georeg is started")
            return None
        return value


def read_keys(
    keys: Table, sources: Sources, *, is_dev: bool, operators: tuple[OperatorKey, ...]
) -> Keys:
    """All keys of a file; those of operators were read before (ops.py)."""
    cluster = _secrets(keys, "cluster", sources)
    session = _secrets(keys, "session", sources)
    backends: dict[str, str] = {}
    for table in keys.tables("backend", "write it as [[keys.backend]]", at_most=_BACKENDS_MAX):
        _read_backend(table, sources, backends)
    entitlements: list[VerificationKey] = []
    urls: list[str] = []
    remedy = "write it as [[keys.entitlement]]"
    for table in keys.tables("entitlement", remedy, at_most=_ENTITLEMENTS_MAX):
        if table.has("jwks_url"):
            urls.append(_read_url(table))
        else:
            entitlements.extend(_read_entitlement(table, sources))
    audience = keys.text("audience", "what entitlements name as aud", default="")
    keys.finish()
    if not is_dev and not keys.has("backend") and not keys.has("entitlement"):
        keys.findings.add(
            keys.path,
            "nobody could start a session: there are no backend or entitlement keys",
            "add a [[keys.backend]] (georeg keygen backend) or a [[keys.entitlement]]",
        )
    return Keys(cluster, session, backends, tuple(entitlements), tuple(urls), audience, operators)


def _secrets(keys: Table, name: str, sources: Sources) -> tuple[bytes, ...]:
    remedy = f"make one with: georeg keygen {name}"
    tables = keys.tables(name, f"write it as [[keys.{name}]]", at_most=_RING_MAX)
    if not tables and keys.findings.is_clean(*keys.path, name):
        keys.wrong(name, f"there is no {name} key", remedy)
    found = []
    for table in tables:
        text = sources.text(table, "secret", remedy)
        table.finish()
        secret = None if text is None else _strong(table, text, remedy)
        if secret is not None and secret in found:
            table.wrong("secret", "is the same as one before", "remove one of them")
        elif secret is not None:
            found.append(secret)
    return tuple(found)


def _strong(table: Table, text: str, remedy: str) -> bytes | None:
    """The bytes of a key, None when it is not one or a weak one."""
    key = next("secret" + way for way in WAYS if table.has("secret" + way))
    try:
        if re.fullmatch(r"[A-Za-z0-9_-]*={0,2}", text) is None:
            raise binascii.Error
        secret = base64.urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
    except binascii.Error:
        table.wrong(key, "is not base64url", remedy)
        return None
    if not SECRET_BYTES_MIN <= len(secret) <= SECRET_BYTES_MAX:
        wanted = f"{SECRET_BYTES_MIN} to {SECRET_BYTES_MAX}"
        table.wrong(key, f"has {len(secret)} bytes, expected {wanted}", remedy)
        return None
    if len(set(secret)) < _DISTINCT_MIN:
        table.wrong(key, "is weak: it repeats a few bytes", remedy)
        return None
    return secret


def _read_backend(table: Table, sources: Sources, backends: dict[str, str]) -> None:
    remedy = "make a key and its hash with: georeg keygen backend NAME"
    name = table.text("name", "1 to 64 of A-Z a-z 0-9 _ -", pattern=_BACKEND_NAME)
    if name in backends:
        table.wrong("name", f'"{name}" is there twice', "give each backend its own name")
    digest = sources.text(table, "hash", remedy)
    if digest is not None and _DIGEST.fullmatch(digest) is None:
        table.wrong("hash", "is not the hash of a key (64 hexadecimal digits)", remedy)
    table.finish()
    backends[name] = digest or ""


def _read_url(table: Table) -> str:
    url = table.text("jwks_url", "give the address of the JWK set, https://...")
    try:
        check_url(url)
    except SettingsError as error:
        table.wrong("jwks_url", str(error), "over http anybody on the way could replace the keys")
    table.finish()
    return url


def _read_entitlement(table: Table, sources: Sources) -> tuple[VerificationKey, ...]:
    """The keys of one [[keys.entitlement]]: a secret, a public key, or a JWK set."""
    kid = table.text("kid", "the kid of the tokens that it signed", default="", pattern=_KID)
    readers: dict[str, Callable[[str], tuple[VerificationKey, ...]]] = {
        "secret": lambda text: (secret_key(text.encode(), kid),),
        "public_pem": lambda text: (pem_key(text.encode(), kid),),
        "jwks": lambda text: parse_jwks(text.encode(), allow_secrets=True),
    }
    kinds = [kind for kind in readers if any(table.has(kind + way) for way in WAYS)]
    remedy = f"give one of {', '.join(readers)} (each also with _file or _env) or jwks_url"
    if len(kinds) != 1:
        table.know("kid", *(kind + way for kind in readers for way in WAYS))
        message = f"gives {' and '.join(kinds)}" if kinds else "gives no key"
        table.findings.add(table.path, message, remedy)
        table.finish()
        return ()
    (kind,) = kinds
    text = sources.text(table, kind, remedy)
    table.finish()
    try:
        return () if text is None else readers[kind](text)
    except SettingsError as error:
        table.wrong(kind, str(error), "HS256: a secret; RS256, EdDSA: public_pem; several: jwks")
        return ()
