"""What `/metrics` shows (Prometheus)."""

from prometheus_client import Counter, Gauge, Histogram

EVENTS = Counter("qunying_events", "Events taken in, by what became of them", ["platform", "state"])
EVENT_SECONDS = Histogram(
    "qunying_event_seconds",
    "From an event's arrival until it is durable",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)
BATCH = Histogram(
    "qunying_batch_units", "Units committed together", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)
BUSY = Counter("qunying_busy", "Events refused because the queue was full")
SENDS = Counter("qunying_sends", "Messages handed to a platform, by result", ["platform", "state"])
SEND_SECONDS = Histogram(
    "qunying_send_seconds",
    "From an event's commit until its answer is handed to the platform",
    buckets=(0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300),
)
PICTURE_SECONDS = Histogram(
    "qunying_picture_seconds",
    "Drawing a picture, its wait for the drawing thread included",
    ["kind"],
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)
LIMITS_OPEN = Gauge("qunying_limits_open", "Commands let through uncounted because Redis was away")
FAULTS = Gauge("qunying_book_faults", "Faults that the last look at the books has found")
REVIEWS = Gauge("qunying_reviews_waiting", "Awards over a budget that wait for somebody to look")
OUTBOX = Gauge("qunying_outbox_waiting", "Messages that wait to be sent")
CONTACT = Gauge("qunying_platform_contact_seconds", "Unix time of the last contact", ["platform"])
