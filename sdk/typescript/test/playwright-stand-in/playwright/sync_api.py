"""Stands in for Playwright: as much of its interface as the SDK's program uses, with one page."""


class Page:
    def goto(self, url, timeout):
        assert timeout > 0
        if "broken" in url:
            raise RuntimeError("net::ERR_NAME_NOT_RESOLVED")
        self.asked = url
        self.url = url + "#seen"

    def title(self):
        return "A title"

    def inner_text(self, selector):
        assert selector == "body"
        return "x" * 10000

    def eval_on_selector_all(self, selector, script):
        assert selector == "a[href]" and "slice(0, 50)" in script
        return [{"text": "link", "href": "http://b/"}]

    def screenshot(self):
        return ("PNG of " + self.asked).encode()

    def evaluate(self, expression):
        print("a line of somebody else")
        return {"evaluated": expression}


class Browser:
    def new_page(self):
        return Page()

    def close(self):
        pass


class Chromium:
    def launch(self, args):
        assert args == ["--no-sandbox"]
        return Browser()


class Playwright:
    chromium = Chromium()


class sync_playwright:
    def __enter__(self):
        return Playwright()

    def __exit__(self, *failure):
        return False
