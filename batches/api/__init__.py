"""Batches for programs: thin calls of the same actions and queries as the pages. One module for each topic."""

from ninja import Router

from batches.api import batches, images, runs, tasks

router = Router()
for topic in (batches, images, runs, tasks):
    router.add_router("", topic.router)
