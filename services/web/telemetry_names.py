"""The telemetry names of web, which speaks HTTP: OpenTelemetry's semantic conventions."""

from typing import Final

from services.chassis.telemetry_names import Attribute

HTTP_REQUEST_METHOD: Final = "http.request.method"
HTTP_RESPONSE_STATUS_CODE: Final = "http.response.status_code"
URL_PATH: Final = "url.path"

ATTRIBUTES: Final = (
    Attribute(name=HTTP_REQUEST_METHOD, brief="verb of the request"),
    Attribute(name=HTTP_RESPONSE_STATUS_CODE, brief="status that the request was answered with"),
    Attribute(name=URL_PATH, brief="path of the request, without its query"),
)
