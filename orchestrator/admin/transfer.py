"""Tables in and out of the admin as CSV: a file is taken as a whole or not at all, and told line by line why not."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget

from orchestrator.admin.access import person
from orchestrator.chat.artifacts import as_typed, csv_pieces
from orchestrator.tenants.models import Tenant

_LARGEST_BYTES = 2_000_000
_MOST_ROWS = 5_000
#: Wrong lines that are told; the rest is counted.
_TOLD = 20


class FileRefusedError(Exception):
    """A file can't be taken; each reason is a sentence, with its line where there is one."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row of a file, its cells by the heading's names."""

    number: int
    cells: dict[str, str]


class Upload(forms.Form):
    """A file, and the company that its rows are for."""

    tenant = forms.ModelChoiceField(Tenant.objects.none(), widget=UnfoldAdminSelectWidget)
    file = forms.FileField(widget=UnfoldAdminFileFieldWidget)

    def __init__(self, request: HttpRequest) -> None:
        """Offer the tenants that the person may write to; most have one and are not asked."""
        sent = request.method == "POST"
        super().__init__(request.POST if sent else None, request.FILES if sent else None)
        offered: forms.ModelChoiceField[Tenant] = self.fields["tenant"]  # type: ignore[assignment]  # made above
        own = Tenant.objects.filter(pk=person(request).tenant_id)
        offered.queryset = Tenant.objects.all() if person(request).is_superuser else own
        offered.initial = person(request).tenant_id

    def clean_file(self) -> UploadedFile[bytes]:
        """Return the file if it is of a size that is read at once."""
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if (file.size or 0) > _LARGEST_BYTES:
            raise forms.ValidationError(f"The file is larger than {_LARGEST_BYTES // 1_000_000} MB.")
        return file


def lines(content: bytes, columns: Sequence[str], *, optional: Sequence[str] = ()) -> list[Line]:
    """Return the rows of a CSV file (UTF-8, a heading first, commas or semicolons); further columns are left out.

    Raises:
        FileRefusedError: it is none, has no row, or lacks a column.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise FileRefusedError("The file is not UTF-8 text: save it as “CSV UTF-8”.") from exc
    if "\0" in text:
        raise FileRefusedError("The file holds a null character, which no database can keep.")
    heading = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in heading else ",", strict=True)
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        missing = [column for column in columns if column not in names]
        if missing:
            raise FileRefusedError(f"The first line must name the columns {', '.join(columns)}; missing: {missing[0]}.")
        found = list(_rows(reader, names, {*columns, *optional}))
    except csv.Error as exc:
        raise FileRefusedError(f"Line {reader.line_num}: this is not CSV ({exc}).") from exc
    if not found:
        raise FileRefusedError("The file has no row below its heading.")
    if len(found) > _MOST_ROWS:
        raise FileRefusedError(f"The file has {len(found)} rows; {_MOST_ROWS} at once are taken.")
    return found


def refuse_if_any(wrong: Sequence[str]) -> None:
    """Refuse the file if a line of it is wrong.

    Raises:
        FileRefusedError: one is; the first twenty are told.
    """
    if wrong:
        more = [f"{len(wrong) - _TOLD} more lines are wrong."] if len(wrong) > _TOLD else []
        raise FileRefusedError(*wrong[:_TOLD], *more)


def download(name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> HttpResponse:
    """Return rows as a CSV file that a spreadsheet opens and runs nothing of."""
    response = HttpResponse("".join(csv_pieces(header, list(rows))), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response["Cache-Control"] = "no-store"
    return response


def upload_page(
    page: ModelAdmin, request: HttpRequest, form: forms.Form, *, title: str, needs: str, refused: Sequence[str] = ()
) -> HttpResponse:
    """Return the page that asks for a file, with what was wrong about the last one."""
    context = page.admin_site.each_context(request) | {
        "opts": page.opts,
        "title": title,
        "form": form,
        "needs": needs,
        "refused": refused,
    }
    return TemplateResponse(request, "switchyard_admin/upload.html", context)


def _rows(reader: Iterator[list[str]], names: Sequence[str], wanted: set[str]) -> Iterator[Line]:
    for row in reader:
        if any(cell.strip() for cell in row):
            cells = {name: as_typed(cell.strip()) for name, cell in zip(names, row, strict=False) if name in wanted}
            number: int = reader.line_num  # type: ignore[attr-defined]  # a csv.reader, which has no name of its own
            yield Line(number=number, cells={name: "" for name in wanted} | cells)
