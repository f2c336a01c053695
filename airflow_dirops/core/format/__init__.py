"""What is written: manifests, lists, journals and control documents, as structures. Nothing here touches a file."""
