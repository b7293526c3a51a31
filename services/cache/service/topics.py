"""TopicService."""

from collections.abc import AsyncIterator

import grpc
from furlong.cache.v1.topic_service_pb2 import PublishRequest, PublishResponse, SubscribeRequest, SubscribeResponse
from furlong.cache.v1.topic_service_pb2_grpc import TopicServiceServicer

from services.cache.domain.position import Position
from services.cache.engine.mailbox import Event
from services.cache.engine.topics import Topics

Context = grpc.aio.ServicerContext[object, object]


class TopicDesk(TopicServiceServicer):
    """Publishes, and follows for as long as the subscriber stays."""

    def __init__(self, *, topics: Topics) -> None:
        self._topics = topics

    async def Publish(self, request: PublishRequest, context: Context) -> PublishResponse:
        """Give a message to all subscribers."""
        position = await self._topics.publish(request.topic, request.payload, request.request_id)
        return PublishResponse(sequence=position.sequence, epoch=_epoch(position))

    async def Subscribe(self, request: SubscribeRequest, context: Context) -> AsyncIterator[SubscribeResponse]:
        """Follow a topic."""
        after = Position(int(request.epoch), request.after) if request.after else None
        with self._topics.subscribe(request.topic, after) as mailbox:
            while True:
                yield _event(await mailbox.take())


def _event(event: Event) -> SubscribeResponse:
    return SubscribeResponse(
        kind=SubscribeResponse.Kind.ValueType(event.kind),
        sequence=event.position.sequence,
        epoch=_epoch(event.position),
        payload=event.payload,
        request_id=event.request_id,
    )


def _epoch(position: Position) -> str:
    return str(position.epoch or "")
