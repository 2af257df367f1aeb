"""Batches, cards, what was read of them: the tables. Statuses are written by batches/changes.py alone."""

from batches.models.activity import ActedCard as ActedCard
from batches.models.activity import Activity as Activity
from batches.models.activity import ActivityQuerySet as ActivityQuerySet
from batches.models.batch import DEFAULT_OPTIONS as DEFAULT_OPTIONS
from batches.models.batch import Batch as Batch
from batches.models.batch import BatchQuerySet as BatchQuerySet
from batches.models.batch import Tag as Tag
from batches.models.batch import new_uid as new_uid
from batches.models.card import Card as Card
from batches.models.card import CardQuerySet as CardQuerySet
from batches.models.card import CardScan as CardScan
from batches.models.card import Likeness as Likeness
from batches.models.card import Scan as Scan
from batches.models.card import Sheet as Sheet
from batches.models.reading import Attempt as Attempt
from batches.models.reading import CardResult as CardResult
from batches.models.reading import FieldRevision as FieldRevision
from batches.models.reading import Rereading as Rereading
from batches.models.reading import Spending as Spending
from batches.models.trying import TryCard as TryCard
from batches.models.trying import TryOut as TryOut
from batches.models.upload import Upload as Upload
from batches.models.upload import UploadQuerySet as UploadQuerySet
from batches.models.worker import Worker as Worker
