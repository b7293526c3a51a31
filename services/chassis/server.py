"""A server: puts services behind the stages, tells its health, and goes away without losing a call.

    start ──▶ serving ──drain──▶ NOT_SERVING ──▶ refusing ──▶ ended
                                 health says so;  new calls get DRAINING;      watches of health end,
                                 balancers look   `on_drain` ends streams;     then the port closes
                                 away             calls in flight finish,
                                                  dialogues answer what they have read

Each step waits no longer than its setting: DRAIN_NOTICE_MS, DRAIN_GRACE_MS, and FLUSH_S for the last answers.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final

import grpc
import structlog
from furlong.common.v1.policy_pb2 import Admission as AdmissionClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc
from opentelemetry import metrics, trace

from services.chassis import telemetry_names as names
from services.chassis.call import Stage
from services.chassis.clock import Clock
from services.chassis.dialogues import Dialogues
from services.chassis.health import Health
from services.chassis.hosted import Hosted, handlers_of
from services.chassis.line_budget import LineBudget
from services.chassis.methods import Methods
from services.chassis.server_config import ServerConfig, is_loopback
from services.chassis.stages.access import Access, OpenAccess
from services.chassis.stages.access_log import AccessLog
from services.chassis.stages.admission import Admission
from services.chassis.stages.deadline import Deadline
from services.chassis.stages.peers import Peers
from services.chassis.stages.recovery import Recovery
from services.chassis.stages.tracing import Tracing
from services.chassis.stages.validation import Validation
from services.chassis.tls import open_files, server_credentials
from services.chassis.tokens import TokenVerifier
from services.chassis.validation import Validators

__all__ = ["Hosted", "Server", "ServerConfig", "serve"]

log = structlog.get_logger(__name__)

FLUSH_S: Final = 1.0
"""How long the last answers may take to leave, in seconds, when their handlers have ended."""

PENDING_CALLS_MAX: Final = 100_000
"""Calls that gRPC keeps waiting for Python. At its default of 1,000 it drops calls without a word; we refuse
overload ourselves, with a reason."""

CONCURRENT_STREAMS_MAX: Final = 50_000
"""Calls and streams open at once on one connection; a gateway carries all its watchers over one."""

METADATA_BYTES_MAX: Final = 8_192
HEALTH_STREAMS_MAX: Final = 100
"""Calls open at once on one connection to the health port."""
HEALTH_BYTES_MAX: Final = 4_096
KEEPALIVE_INTERVAL_MIN_MS: Final = 15_000
KEEPALIVE_STRIKES_MAX: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Keepalive:
    """When a connection from which nothing has come is asked for a sign of life, and how long it may take to answer.

    A caller that is switched off, frozen or cut off says no word of it. TCP by itself notices hours later, if ever, and
    until then its streams keep their places among those that are admitted, and count as watchers.
    """

    after_ms: int = 60_000
    answer_ms: int = 20_000


KEEPALIVE: Final = Keepalive()
"""A minute is what a watcher may be counted in vain; asking more often wakes phones that sleep, and gains nothing."""


class Server:
    """One gRPC server in this process. `serve()` runs one until it is told to end; tests start and drain it by hand.

    `liveness` and `readiness` answer health at once, from memory. `on_drain` ends the service's streams with a hint
    how to resume, and gives back what it holds. `callers` are the parts that may call where parts speak TLS: everything
    that the port answers is for them, health too.
    """

    def __init__(
        self,
        *,
        name: str,
        config: ServerConfig,
        hosted: Sequence[Hosted],
        validators: Validators,
        liveness: Callable[[], bool],
        readiness: Callable[[], bool],
        on_drain: Callable[[], Awaitable[None]],
        clock: Clock,
        keepalive: Keepalive = KEEPALIVE,
        callers: Set[str] = frozenset(),
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._name = name
        self._keepalive = keepalive
        self._config = config
        self._hosted = hosted
        self._peers = Peers(callers, LineBudget(clock)) if config.tls.on else None
        self._on_drain = on_drain
        self._clock = clock
        self._validators = validators
        self._tracer_provider = tracer_provider or trace.get_tracer_provider()
        self._meter_provider = meter_provider or metrics.get_meter_provider()
        self._admission = Admission(_limits(config))
        self._health = Health([each.descriptor.full_name for each in hosted], liveness, readiness)
        self._server: grpc.aio.Server | None = None
        self._health_server: grpc.aio.Server | None = None
        self._dialogues: Dialogues | None = None
        self._port = 0
        self._health_port = 0

    @property
    def port(self) -> int:
        """The port that the server listens on, once started."""
        assert self._port, "the server has a port once it is started"
        return self._port

    @property
    def health_port(self) -> int:
        """The port that tells health and nothing else, once started; 0 where there is none."""
        return self._health_port

    async def start(self) -> None:
        """Begin to serve.

        Raises ValueError for a method without a policy, KeysUnusable, TlsUnusable, and RuntimeError for an address in
        use.
        """
        stages = self._stages()
        of_messages = [stage for stage in stages[1:] if stage is not self._peers]
        dialogues = Dialogues(recovery=stages[0], stages=of_messages, messages_max=self._config.stream_messages_max)
        methods = Methods(self._hosted, self._bare(), stages, dialogues, self._peers)
        server = grpc.aio.server(handlers=(methods,), options=_options(self._config, self._keepalive))
        files = open_files(self._config.tls)
        address = self._address(self._config.port)
        if files is None:
            self._port = server.add_insecure_port(address)
        else:
            self._port = server.add_secure_port(address, server_credentials(files))
        names.ADMISSION_IN_PROGRESS.gauge(self._meter_provider.get_meter("furlong.chassis"), self._admission.observe)
        await server.start()
        self._server, self._dialogues = server, dialogues
        await self._start_health()
        log.info("serving", service=self._name, host=self._config.host, port=self._port, tls=files is not None)
        if self._config.auth == "off":
            log.warning("access is off: everybody may do anything", service=self._name)
        if files is None and not is_loopback(self._config.host):
            log.warning("clear text: whoever is on the network may read and call", service=self._name)

    async def drain(self) -> None:
        """Go away: tell it, refuse new calls, let those in flight finish, stop. Every step is bounded in time."""
        assert self._server is not None, "only a started server drains"
        assert self._dialogues is not None, "a started server has its dialogues"
        log.info("draining", service=self._name, in_progress=self._admission.in_progress)
        self._health.drain()
        await asyncio.sleep(self._config.drain_notice_ms / 1_000)
        self._admission.close()
        self._dialogues.close()
        try:
            async with asyncio.timeout(self._config.drain_grace_ms / 1_000) as grace:
                await self._on_drain()
                await self._admission.emptied()
        except TimeoutError:
            if not grace.expired():
                raise
            log.warning("calls are cut off", service=self._name, in_progress=self._admission.in_progress)
        finally:
            self._health.end()
            await self._server.stop(FLUSH_S)
            if self._health_server is not None:
                await self._health_server.stop(0)
        log.info("drained", service=self._name)

    async def _start_health(self) -> None:
        """Open the port that is for those who look after processes, and have no certificate."""
        if not self._config.health_port:
            return
        server = grpc.aio.server(options=_HEALTH_OPTIONS)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        self._health_port = server.add_insecure_port(self._address(self._config.health_port))
        await server.start()
        self._health_server = server

    def _bare(self) -> Mapping[str, "grpc.RpcMethodHandler[Any, Any]"]:
        """The methods that have no policy: health, and reflection where it is on."""
        health = handlers_of(health_pb2_grpc.add_HealthServicer_to_server, self._health)
        if self._config.reflection == "off":
            return health
        names_told = (*(each.descriptor.full_name for each in self._hosted), _HEALTH_SERVICE, reflection.SERVICE_NAME)
        told = reflection.aio.ReflectionServicer(names_told)
        return {**health, **handlers_of(reflection_pb2_grpc.add_ServerReflectionServicer_to_server, told)}

    def _address(self, port: int) -> str:
        host = f"[{self._config.host}]" if ":" in self._config.host else self._config.host
        return f"{host}:{port}"

    def _stages(self) -> tuple[Recovery, *tuple[Stage, ...]]:
        budget = LineBudget(self._clock)
        return (
            Recovery(budget),
            Deadline(),
            Tracing(self._tracer_provider, self._meter_provider, root_sample_ratio=self._config.trace_sample_ratio),
            AccessLog(budget, successes=self._config.log_level == "debug"),
            *(() if self._peers is None else (self._peers,)),
            self._access(),
            self._admission,
            Validation(self._validators),
        )

    def _access(self) -> Stage:
        if self._config.auth == "off":
            return OpenAccess()
        return Access(
            TokenVerifier(
                jwks_file=self._config.jwks_file,
                issuer=self._config.issuer,
                audience=self._config.audience,
                clock=self._clock,
            )
        )


async def serve(
    *,
    name: str,
    config: ServerConfig,
    hosted: Sequence[Hosted],
    validators: Validators,
    liveness: Callable[[], bool],
    readiness: Callable[[], bool],
    on_drain: Callable[[], Awaitable[None]],
    clock: Clock,
    callers: Set[str],
) -> None:
    """Serve until SIGTERM or SIGINT, then drain. A second signal ends the process at once.

    Logs "serving" with host and port. Logs and telemetry are set up before, by `launch()`.
    """
    server = Server(
        name=name,
        config=config,
        hosted=hosted,
        validators=validators,
        liveness=liveness,
        readiness=readiness,
        on_drain=on_drain,
        clock=clock,
        callers=callers,
    )
    asked_to_end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, asked_to_end.set)
    await server.start()
    await asked_to_end.wait()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(each)
    await server.drain()


def _limits(config: ServerConfig) -> dict[AdmissionClass.ValueType, int]:
    return {
        AdmissionClass.READ: config.admission_read_max,
        AdmissionClass.WRITE: config.admission_write_max,
        AdmissionClass.STREAM: config.admission_stream_max,
        AdmissionClass.RESERVED: config.admission_reserved_max,
    }


def _options(config: ServerConfig, keepalive: Keepalive) -> list[tuple[str, int]]:
    # Only new calls go elsewhere: streams stay for as long as they like, by gRPC's default of an endless grace.
    age = [("grpc.max_connection_age_ms", config.connection_age_ms)] if config.connection_age_ms else []
    return [
        *age,
        ("grpc.so_reuseport", 0),  # a second server on the same port is a mistake to hear about
        ("grpc.server.max_pending_requests", PENDING_CALLS_MAX),
        ("grpc.server.max_pending_requests_hard_limit", 2 * PENDING_CALLS_MAX),
        ("grpc.max_concurrent_streams", CONCURRENT_STREAMS_MAX),
        ("grpc.max_receive_message_length", config.message_bytes_max),
        ("grpc.max_metadata_size", METADATA_BYTES_MAX),
        ("grpc.absolute_max_metadata_size", METADATA_BYTES_MAX),
        ("grpc.keepalive_time_ms", keepalive.after_ms),
        ("grpc.keepalive_timeout_ms", keepalive.answer_ms),
        ("grpc.http2.ping_timeout_ms", keepalive.answer_ms),  # by which the connection is really closed: else a minute
        ("grpc.keepalive_permit_without_calls", 1),  # a connection without calls still has a file descriptor
        ("grpc.http2.min_recv_ping_interval_without_data_ms", KEEPALIVE_INTERVAL_MIN_MS),
        ("grpc.http2.max_ping_strikes", KEEPALIVE_STRIKES_MAX),
    ]


_HEALTH_SERVICE: Final = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

_HEALTH_OPTIONS: Final = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_concurrent_streams", HEALTH_STREAMS_MAX),
    ("grpc.max_receive_message_length", HEALTH_BYTES_MAX),
    ("grpc.max_metadata_size", METADATA_BYTES_MAX),
    ("grpc.absolute_max_metadata_size", METADATA_BYTES_MAX),
)
