"""A backup is one tar file that anybody can look into: the database, and each batch's files with their sums.

about.json                     first: {"form", "version", "made_at", "batches"}
keys/encryption-key, …         where they were asked for
database.sqlite3
files/<uid>/<name>             as in the batch's folder, wherever that lies
sums/<uid>.json                {name: sha256}
end.json                       last: {"database", "batches", "files", "bytes"}; without it the file is cut off
"""

FORM = 1
ABOUT, DATABASE, END = "about.json", "database.sqlite3", "end.json"
FILES, SUMS, KEYS = "files", "sums", "keys"
NAMES_OF_KEYS = {"encryption-key": "ENCRYPTION_KEY", "secret-key": "SECRET_KEY"}
BLOCK = 1 << 20


class Failed(Exception):
    """The message says what is wrong and what to do."""
