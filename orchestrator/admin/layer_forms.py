"""The forms by which a semantic layer is changed: as text, and as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminTextareaWidget

from orchestrator.admin.layers import as_text, of_text, require_fit, require_unchanged, version
from orchestrator.admin.plain_yaml import MOST_LETTERS
from orchestrator.pipeline.semantic.model import SemanticLayer
from orchestrator.tenants.models import Warehouse

if TYPE_CHECKING:
    # Generic for the type checker alone: at run time the class takes no parameter.
    _LayerForm = forms.ModelForm[Warehouse]
else:
    _LayerForm = forms.ModelForm

_HELP = (
    "Measures, dimensions and verified queries, as YAML. labels: what people say, the first one is shown. hidden: true"
    " keeps a measure from being offered; a column that no entry names is not asked about. Checked as a whole; workers"
    " see a change within a minute."
)


class Meaning(_LayerForm):
    """The semantic layer as text that a person can change."""

    #: Whether the names in the layer were looked up in the database.
    checked = False
    #: When the row was last changed before the page was shown.
    seen = forms.CharField(widget=forms.HiddenInput)
    layer_text = forms.CharField(
        label="semantic layer",
        help_text=_HELP,
        max_length=MOST_LETTERS,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 40, "spellcheck": "false", "style": "font-family:monospace"}),
    )

    class Meta:
        """Only the layer may be changed."""

        model = Warehouse
        fields = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: Django's own arguments, handed on as they are
        """Show the layer without what it leaves to the defaults."""
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["seen"].initial = version(self.instance)
            self.fields["layer_text"].initial = as_text(self.instance)

    def clean(self) -> dict[str, Any]:
        """Refuse to write over what somebody else has changed since the page was shown."""
        given = super().clean() or {}
        if "seen" in given:
            require_unchanged(self.instance, given["seen"])
        return given

    def clean_layer_text(self) -> SemanticLayer:
        """Return the layer, or say which entry is wrong or names what is not there."""
        layer = of_text(self.cleaned_data["layer_text"])
        self.checked = require_fit(self.instance, layer)
        return layer


class LayerUpload(forms.Form):
    """A semantic layer's file, and the version that it takes the place of."""

    file = forms.FileField(widget=UnfoldAdminFileFieldWidget)
    seen = forms.CharField(widget=forms.HiddenInput)

    def clean_file(self) -> str:
        """Return the file's text."""
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if (file.size or 0) > MOST_LETTERS:
            raise forms.ValidationError(f"The file is larger than {MOST_LETTERS // 1_000} kB.")
        try:
            content: bytes = file.read()
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as exc:
            raise forms.ValidationError("The file is not UTF-8 text.") from exc
