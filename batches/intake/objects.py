"""Scans as objects of an S3-compatible storage. What is put there is whole or not there, and is never renamed.

A path below `root` names an object: what follows it is its key, behind the prefix. Copies of what is read lie in there.
"""

import base64
import hashlib
import mimetypes
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError

from batches.intake import durable, unreachable
from batches.intake.cache import Cache, clean
from batches.intake.unreachable import Unreachable

INCOMING = "_incoming"  # files whose rows are being written
AT_ONCE = 8
BLOCK = 1 << 20
SINGLE = 64 << 20  # bytes that are sent in one piece; a larger file in parts
FEW = 20  # prefixes that are listed one by one
DATED = "dated"
STALE = 24 * 3600.0
_LARGE = TransferConfig(multipart_threshold=SINGLE, multipart_chunksize=16 << 20, max_concurrency=4)


class Objects:
    """`quick`: a client that gives up soon, for what may be done while rows are locked."""

    def __init__(
        self, root: Path, client: Any, quick: Any, bucket: str, prefix: str, more: Mapping[str, str], cache: Cache
    ) -> None:
        self._root, self._client, self._quick = root, client, quick
        self._bucket, self._prefix, self._more, self._cache = bucket, prefix, dict(more), cache
        self._staged: dict[Path, str] = {}
        self._told = unreachable.Told(client.meta.endpoint_url, bucket)

    # -- asking

    def has(self, path: Path) -> bool:
        try:
            self._head(path)
        except FileNotFoundError:
            return False
        return True

    def local(self, path: Path) -> Path:
        known = self._cache.find(path)
        wanted = {"IfNoneMatch": f'"{known[1]}"'} if known else {}
        with self._talking():
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._key(path), **wanted)
            except ClientError as error:
                if known and error.response["ResponseMetadata"]["HTTPStatusCode"] == 304:
                    return known[0]
                if unreachable.is_missing(error):
                    self._cache.forget(path)
                raise
            return self._fetched(path, answer)

    def _fetched(self, path: Path, answer: Mapping[str, Any]) -> Path:
        part = self._cache.part()
        try:
            with part.open("wb") as file:
                for block in answer["Body"].iter_chunks(BLOCK):
                    file.write(block)
            return self._cache.take(path, answer["ETag"], part, answer["LastModified"].timestamp())
        finally:
            part.unlink(missing_ok=True)

    def present(self, path: Path) -> Path | None:
        try:
            return self.local(path)
        except FileNotFoundError:
            return None

    def dated(self, path: Path) -> float:
        head = self._head(path)
        return float(head["Metadata"].get(DATED) or head["LastModified"].timestamp())

    def names(self, folder: Path, starting: Collection[str] = ()) -> Iterator[str]:
        base = f"{self._key(folder)}/"
        few = starting if 0 < len(starting) <= FEW else [""]
        found = (name for start in few for name in self._listed(base + start, "/", base))
        yield from dict.fromkeys(found)

    def folders(self) -> Iterator[Path]:
        """Those of batches."""
        for page in self._pages(Prefix=self._prefix, Delimiter="/"):
            for entry in page.get("CommonPrefixes", ()):
                name = entry["Prefix"].removeprefix(self._prefix).removesuffix("/")
                if name != INCOMING and _stays_inside(name):
                    yield self._root / name

    def below(self, folder: Path) -> Iterator[str]:
        """Names of all files in it, those in its folders with these."""
        base = f"{self._key(folder)}/"
        yield from self._listed(base, "", base)

    def _listed(self, prefix: str, delimiter: str, base: str) -> Iterator[str]:
        for page in self._pages(Prefix=prefix, Delimiter=delimiter):
            for entry in page.get("Contents", ()):
                name = entry["Key"].removeprefix(base)
                if _stays_inside(name):
                    yield name

    def _pages(self, **wanted: str) -> Iterator[Mapping[str, Any]]:
        with self._talking():
            yield from self._quick.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, **wanted)

    def _head(self, path: Path) -> Mapping[str, Any]:
        with self._talking():
            head: Mapping[str, Any] = self._quick.head_object(Bucket=self._bucket, Key=self._key(path))
            return head

    # -- writing

    def write(self, files: Mapping[Path, bytes], through: Path, dated: float | None = None) -> None:
        told = {} if dated is None else {"Metadata": {DATED: f"{dated:.6f}"}}

        def put(path: Path) -> None:
            data = files[path]
            md5 = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
            with self._talking():
                self._client.put_object(
                    Bucket=self._bucket, Key=self._key(path), Body=data, ContentMD5=md5, **self._about(path), **told
                )

        _side_by_side(put, list(files))

    @contextmanager
    def making(self, paths: Sequence[Path], through: Path) -> Iterator[Sequence[Path]]:
        parts = [durable.part(through) for _path in paths]
        try:
            yield parts
            for part, path in zip(parts, paths, strict=True):
                self._cache.link(path, self._send(part, self._key(path)), part, time.time())
        finally:
            for part in parts:
                part.unlink(missing_ok=True)

    @contextmanager
    def arriving(self, parts: Sequence[Path]) -> Iterator[None]:
        keys = {part: self._key(self._root / INCOMING / part.name) for part in parts}
        try:
            _side_by_side(lambda part: self._send(part, keys[part]), list(parts))
            self._staged.update(keys)
            yield
        finally:
            for part in parts:
                self._staged.pop(part, None)
            with suppress(Unreachable):  # cleared away later
                self._delete(list(keys.values()))

    def keep(self, moves: Mapping[Path, Path]) -> None:
        def keep(part: Path) -> None:
            target, staged = moves[part], self._staged.get(part)
            tag = self._copied(staged, target, part.stat().st_size) if staged else self._send(part, self._key(target))
            self._cache.link(target, tag, part, time.time())

        _side_by_side(keep, list(moves))

    def take_back(self, moves: Mapping[Path, Path]) -> None:
        with suppress(Unreachable):
            self.remove(moves.values())

    def copy(self, source: Path, target: Path) -> None:
        self._copied(self._key(source), target)

    def _copied(self, source: str, target: Path, size: int = 0) -> str:
        key, where = self._key(target), {"Bucket": self._bucket, "Key": source}
        with self._talking():
            if size > SINGLE:
                self._quick.copy(where, self._bucket, key, ExtraArgs=self._more, Config=_LARGE)
                return str(self._quick.head_object(Bucket=self._bucket, Key=key)["ETag"])
            answer = self._quick.copy_object(Bucket=self._bucket, Key=key, CopySource=where, **self._more)
            return str(answer["CopyObjectResult"]["ETag"])

    def _send(self, part: Path, key: str) -> str:
        """A file of this disk; the tag of what it has become."""
        about = self._about(Path(key))
        with self._talking():
            if part.stat().st_size > SINGLE:
                self._client.upload_file(str(part), self._bucket, key, ExtraArgs=about, Config=_LARGE)
                return str(self._client.head_object(Bucket=self._bucket, Key=key)["ETag"])
            with part.open("rb") as file:
                md5 = base64.b64encode(hashlib.file_digest(file, "md5").digest()).decode()
                file.seek(0)
                answer = self._client.put_object(Bucket=self._bucket, Key=key, Body=file, ContentMD5=md5, **about)
            return str(answer["ETag"])

    def _about(self, path: Path) -> dict[str, str]:
        return {"ContentType": mimetypes.guess_type(path.name)[0] or "application/octet-stream", **self._more}

    # -- deleting

    def remove(self, paths: Iterable[Path]) -> None:
        doomed = list(paths)
        self._delete([self._key(path) for path in doomed])
        for path in doomed:
            self._cache.forget(path)

    def clear(self, folder: Path) -> None:
        pages = self._pages(Prefix=f"{self._key(folder)}/")
        self._delete([entry["Key"] for page in pages for entry in page.get("Contents", ())])
        self._cache.forget(folder)

    def weight(self, folder: Path) -> int:
        pages = self._pages(Prefix=f"{self._key(folder)}/")
        return sum(int(entry["Size"]) for page in pages for entry in page.get("Contents", ()))

    def tidy(self) -> None:
        """Clear away what was cut off on its way in, a day after it."""
        incoming = self._root / INCOMING
        self.remove([incoming / name for name in self.names(incoming) if self._is_stale(incoming / name)])
        with self._talking():
            found = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=self._prefix).get("Uploads", ())
            for upload in found:
                if time.time() - upload["Initiated"].timestamp() > STALE:
                    self._client.abort_multipart_upload(
                        Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                    )

    def _is_stale(self, path: Path) -> bool:
        try:
            return time.time() - self.dated(path) > STALE
        except FileNotFoundError:
            return False

    def _delete(self, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), 1000):
            wanted = [{"Key": key} for key in keys[start : start + 1000]]
            with self._talking():
                if len(wanted) == 1:
                    self._quick.delete_object(Bucket=self._bucket, **wanted[0])
                    continue
                answer = self._quick.delete_objects(Bucket=self._bucket, Delete={"Objects": wanted, "Quiet": True})
                if errors := answer.get("Errors"):
                    raise self._told.refused(errors[0]["Code"])

    # -- whether it can be used

    def knock(self) -> None:
        """Raises Unreachable where it does not answer, or not to us."""
        with self._talking():
            self._quick.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1)

    def probe(self) -> float:
        """Write, read back, list, delete; how many seconds its clock is before ours. Raises Unreachable."""
        path = self._root / f".probe-{clean(durable.part(Path()).stem)}"
        data = path.name.encode()
        self.write({path: data}, self._root)
        with self._talking():
            answer = self._client.get_object(Bucket=self._bucket, Key=self._key(path))
            same = answer["Body"].read() == data
            headers = answer["ResponseMetadata"]["HTTPHeaders"]
            listed = path.name in self._listed(self._key(path), "", self._prefix)
        self.remove([path])
        if not (same and listed):
            raise self._told.changed()
        return parsedate_to_datetime(headers["date"]).timestamp() - time.time() if "date" in headers else 0.0

    def _key(self, path: Path) -> str:
        return self._prefix + path.relative_to(self._root).as_posix()

    @contextmanager
    def _talking(self) -> Iterator[None]:
        """Raises FileNotFoundError, or Unreachable with a sentence for people."""
        try:
            yield
        except ClientError as error:
            if unreachable.is_missing(error):
                raise FileNotFoundError("There is no such object") from None
            raise self._told.refused(unreachable.code_of(error)) from error
        except (BotoCoreError, Boto3Error) as error:
            raise self._told.silent(error) from error


def _stays_inside(name: str) -> bool:
    """Others may write to the bucket, too; a name becomes a path of this disk, where copies are cleared away."""
    return not {"", ".", ".."} & {*name.split("/")} and "\0" not in name


def _side_by_side(work: Callable[[Path], Any], paths: Sequence[Path]) -> None:
    if len(paths) == 1:
        work(paths[0])
        return
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="objects") as threads:
        list(threads.map(work, paths))
