"""`switchyard connect`: look into a company's own database, draft what its figures mean, keep its address sealed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Literal, cast

from channels_app.cli.tables import TableError, load

_EXAMPLES = 3


class ConnectError(Exception):
    """It can't be connected; the text says why, without the address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """What was found and kept."""

    tenant: str
    label: str
    #: Relation -> number of readable columns.
    relations: dict[str, int]
    measures: tuple[str, ...]
    dimensions: tuple[str, ...]
    #: What the role can do beyond reading.
    gaps: tuple[str, ...]
    #: An earlier connection was replaced.
    replaced: bool
    #: Questions that the draft answers.
    questions: tuple[str, ...]


def tables(files: list[Path], *, tenant: str | None, folder: Path) -> str:
    """Make a database of CSV files, in `folder`, and return its address.

    Raises:
        ConnectError: there is no such tenant, or a file is no table.
    """
    target = folder / f"{_tenant(tenant).slug}.db"
    try:
        load(files, target)
    except TableError as exc:
        raise ConnectError(str(exc)) from exc
    return f"sqlite:///{target.resolve()}"


def connect(url: str, *, tenant: str | None) -> Connected:
    """Connect the database behind `url` to a tenant; without one named, to the only one there is.

    Raises:
        ConnectError: the tenant, the address or the database is not usable.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    from orchestrator.admin.diagnosis.warehouses import hardening_gaps
    from orchestrator.engines.warehouse import Limits
    from orchestrator.engines.warehouse_sql import open_warehouse
    from orchestrator.errors import OrchestratorError
    from orchestrator.pipeline.asking import figures
    from orchestrator.pipeline.semantic.draft import draft_layer
    from orchestrator.pipeline.semantic.draft_dates import with_last_days
    from orchestrator.resilience.stop import Stop
    from orchestrator.tenants.models import Warehouse
    from orchestrator.tenants.sealing import seal

    owner = _tenant(tenant)
    try:
        address = make_url(url)
    except SQLAlchemyError:
        raise ConnectError("the address can't be read; expected postgresql://user:password@host/database") from None
    try:
        warehouse = open_warehouse(url)
        catalogue = warehouse.catalogue()
        structure = warehouse.structure()
        gaps = hardening_gaps(url)
    except OrchestratorError as exc:
        raise ConnectError(str(exc)) from exc
    if not catalogue:
        raise ConnectError("its role can read no table and no view")
    # The port says `str`; these three are all there are.
    dialect = cast("Literal['postgres', 'sqlite', 'mysql']", warehouse.dialect)
    layer = with_last_days(
        draft_layer(catalogue, dialect=dialect, structure=structure), warehouse, limits=Limits(timeout_s=3), stop=Stop()
    )
    where = f"{address.database} on {address.host}" if address.host else str(address.database)
    label = f"{where} as {address.username}" if address.username else where
    _, made = Warehouse.objects.update_or_create(
        tenant=owner,
        defaults={"url_encrypted": seal(url), "layer": layer.model_dump(mode="json"), "label": label[:200]},
    )
    return Connected(
        tenant=owner.slug,
        label=label,
        relations={name: len(columns) for name, columns in catalogue.items()},
        measures=tuple(layer.measures),
        dimensions=tuple(layer.dimensions),
        gaps=tuple(gaps),
        replaced=not made,
        questions=tuple(islice(figures(layer, language="en", today=datetime.now(UTC).date()), _EXAMPLES)),
    )


def _tenant(slug: str | None) -> Any:  # Any: a model, which this module may only import once Django is set up
    from orchestrator.tenants.models import Tenant

    if slug is not None:
        found = Tenant.objects.filter(slug=slug).first()
        if found is None:
            raise ConnectError(f"there is no tenant {slug}; there are: {', '.join(_slugs()) or 'none'}")
        return found
    slugs = _slugs()
    if len(slugs) != 1:
        raise ConnectError(f"name the tenant by --tenant: {', '.join(slugs) or 'there is none yet'}")
    return Tenant.objects.get(slug=slugs[0])


def _slugs() -> list[str]:
    from orchestrator.tenants.models import Tenant

    return list(Tenant.objects.order_by("slug").values_list("slug", flat=True))
