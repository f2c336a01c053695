"""The one writer of trees: files, their journal, and the seal."""
