"""Batches for programs: thin calls of the same actions and queries as the pages. One module for each topic."""

from ninja import Router

from batches.api import batches, engines, erasing, exports, images, overall, results, runs, streams, tasks, webhooks

router = Router()
for topic in (batches, images, runs, results, erasing, streams, exports, engines, overall, tasks, webhooks):
    router.add_router("", topic.router)
