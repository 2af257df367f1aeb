"""What processes and machines share by a Redis: doorbells, pokes, counts. Nothing lies there that may not be lost."""
