"""Whether the web process in this container lives, asked as the proxy in front would. Ends with 1 where it does not."""

import http.client
import os
import sys
from urllib.parse import urlsplit

public = urlsplit(os.environ.get("CARDOCR_URL", "http://127.0.0.1:8000").split(",")[0].strip())
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 8000, timeout=8)
try:
    headers = {"Host": public.netloc, "X-Forwarded-Proto": public.scheme}
    connection.request("GET", f"{public.path.rstrip('/')}/health", headers=headers)
    answered = connection.getresponse().status
except (OSError, http.client.HTTPException) as error:
    sys.exit(f"The web process does not answer: {error}")
if answered != 200:
    sys.exit(f"The web process answers {answered}.")
