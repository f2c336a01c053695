"""A target that is a directory on a POSIX file system, replaced whole by one exchange of names."""
