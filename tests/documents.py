"""Small documents built by hand, good and bad ones, for what reads documents."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

import docx
from pypdf import PdfReader, PdfWriter

Line = tuple[int, str]  # size in points, text


def a_pdf(*pages: Sequence[Line], title: str = "") -> bytes:
    """Return a PDF of these lines in Helvetica, one below the other; text must fit Windows-1252."""
    objects: list[bytes] = [b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"]
    kids = []
    for page in pages:
        y, drawn = 800, b""
        for size, text in page:
            y -= int(size * 1.4)
            escaped = text.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
            drawn += b"BT /F1 %d Tf 1 0 0 1 50 %d Tm (%s) Tj ET\n" % (size, y, escaped)
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn))
        objects.append(
            b"<< /Type /Page /Parent 1 0 R /MediaBox [0 0 595 842] /Contents %d 0 R "
            b"/Resources << /Font << /F1 2 0 R >> >> >>" % len(objects)
        )
        kids.append(len(objects))
    objects[0] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(b"%d 0 R" % kid for kid in kids))
    objects.append(b"<< /Type /Catalog /Pages 1 0 R >>")
    out = b"%PDF-1.4\n"
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    xref = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, xref)
    out += b"trailer << /Size %d /Root %d 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        len(objects),
        out.index(b"xref\n0"),
    )
    if not title:
        return out
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(out)))
    writer.add_metadata({"/Title": title})
    return _written(writer)


def a_locked_pdf(user_password: str) -> bytes:
    """Return a one-page PDF with this password; an empty one lets everybody read and only forbids changes."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(a_pdf([(12, "The safe opens at nine in the morning.")]))))
    writer.encrypt(user_password=user_password, owner_password="owner", algorithm="AES-256")
    return _written(writer)


def _written(writer: PdfWriter) -> bytes:
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def a_docx(*, title: str = "") -> bytes:
    """Return a DOCX with headings, a list and a table with a header row."""
    document = docx.Document()
    document.core_properties.title = title
    document.add_heading("Supplier contract", 1)
    document.add_paragraph("This contract binds both sides for one year.")
    document.add_heading("Deliveries", 2)
    document.add_paragraph("Fish before seven", style="List Bullet")
    document.add_paragraph("Bread before six", style="List Bullet")
    table = document.add_table(rows=1, cols=2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "Item", "Price"
    for item, price in (("Sea bass", "14 € / kg"), ("Focaccia", "2 €")):
        cells = table.add_row().cells
        cells[0].text, cells[1].text = item, price
    document.add_paragraph("Signed in Madrid.")
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def a_zip_bomb(megabytes: int) -> bytes:
    """Return a DOCX whose text part unpacks to so many megabytes of blanks."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", b" " * (megabytes * 1_000_000))
    return out.getvalue()
