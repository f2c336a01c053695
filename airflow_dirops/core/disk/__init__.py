"""What a file system offers, each call named by what it promises."""
