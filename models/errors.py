"""What can go wrong here, and whose fault it is.

ModelsError         never raised itself; its text is one sentence for a user
├── DataError       a data set cannot be understood; names the file and the line
│   └── ColumnError a file has no column of a name, or two
├── TrainingError   the data are readable, but nothing can be learnt from them
└── BundleError     a bundle is damaged, altered, foreign or of another version
"""

from __future__ import annotations


class ModelsError(Exception):
    """Base of the errors that a user is meant to read."""


class DataError(ModelsError):
    """A data set is missing or cannot be understood."""


class ColumnError(DataError):
    """A file has no column of a name, or two.

    Attributes:
        column: The name.
        header: Names of the columns that there are.
    """

    def __init__(self, text: str, column: str, header: tuple[str, ...]) -> None:
        """Keep what is missing beside the text."""
        super().__init__(text)
        self.column = column
        self.header = header


class TrainingError(ModelsError):
    """There is too little in the data to learn from."""


class BundleError(ModelsError):
    """A model bundle is refused; nothing of it has been used."""
