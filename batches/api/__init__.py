"""Batches for programs: thin calls of the same actions and queries as the pages. One module for each topic."""

from ninja import Router

from batches.api import batches

router = Router()
router.add_router("", batches.router)
