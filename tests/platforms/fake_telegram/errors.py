"""Refusals, worded as the server words them."""

_PREFIX = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    429: "Too Many Requests",
}


class ApiError(Exception):
    """A refused call: the code, the description, and what a client can act on."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code = code
        prefix = _PREFIX.get(code, "")
        self.description = ": ".join(part for part in (prefix, description) if part)
        self.parameters = parameters

    def payload(self) -> dict:
        """Give the body that the client gets."""
        body = {"ok": False, "error_code": self.code, "description": self.description}
        return {**body, "parameters": self.parameters} if self.parameters else body


def bad_request(description: str, **parameters: int) -> ApiError:
    """Make the commonest refusal."""
    return ApiError(400, description, **parameters)


def flood(seconds: int) -> ApiError:
    """Make the refusal that names how long to be silent."""
    return ApiError(429, f"retry after {seconds}", retry_after=seconds)


class FakeBroken(AssertionError):  # noqa: N818 - it states a fault of the fake, not of a caller
    """The fake itself said something that the schema does not allow."""
