from browser.conftest import launch, page

__all__ = ["launch", "page"]
