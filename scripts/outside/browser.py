# SPDX-License-Identifier: Apache-2.0
"""Chromium without a window, and what is checked of every page that it shows."""

import json
import os

from axe_core_python.selenium import Axe
from cluster import until
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

# Runs before any script of a page: what the policy forbids is noted, and so is what a name from outside would do.
WATCH = """
window.__violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.__violations.push(`${event.violatedDirective} ${event.blockedURI}`);
});
"""

# What reaches beyond the window's width, unless it stands in a part that scrolls by itself.
WIDER = """
const width = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth <= width) return [];
return [...document.querySelectorAll("body *")]
  .filter((part) => part.getBoundingClientRect().right > width + 1 && !part.closest(".table"))
  .map((part) => `${part.tagName} ${part.className} ${Math.round(part.getBoundingClientRect().right)} > ${width}`)
  .slice(0, 5).concat([`the page is ${document.documentElement.scrollWidth} wide`]);
"""

FOCUSED = """
const part = document.activeElement;
const style = getComputedStyle(part);
return [part.tagName, (part.innerText || part.name || "").trim(),
  style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2];
"""

DESKTOP = (1280, 860)
PHONE = (390, 844)


class Browser:
    """A browser of one person. Every page it is asked to look at has to be clean."""

    def __init__(self, directory):
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        options.add_argument("--headless=new")
        options.add_argument("--disable-dev-shm-usage")
        options.add_argument("--hide-scrollbars")
        options.add_argument("--force-color-profile=srgb")
        options.add_argument(f"--user-data-dir={directory}")
        if os.geteuid() == 0:
            options.add_argument("--no-sandbox")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        # What asks before it acts stays open until the test answers.
        options.set_capability("unhandledPromptBehavior", "ignore")
        self.driver = webdriver.Chrome(
            options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
        self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
        self.look(DESKTOP)

    def quit(self):
        self.driver.quit()

    # How a page is looked at

    def look(self, size, dark=False):
        """Sets the size of the window and the colours that the person prefers."""
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE})
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
                          {"name": "prefers-reduced-motion", "value": "reduce"}]})

    def screenshot(self, path):
        self.driver.save_screenshot(path)

    # What a person does

    def open(self, url):
        self.driver.get(url)

    def find(self, css):
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def has(self, css):
        return bool(self.driver.find_elements(By.CSS_SELECTOR, css))

    def type(self, name, text):
        field = self.find(f"input[name='{name}']")
        field.clear()
        field.send_keys(text)

    def button(self, words):
        """The button of the page with these words."""
        return self.driver.find_element(By.XPATH, f"//button[normalize-space()='{words}']")

    def press(self, words, key=None):
        """Presses a button, by the mouse or a key, and waits for the page that follows."""
        self.send(self.button(words), key)

    def follow(self, words):
        """Follows the link with these words, and waits for the page."""
        self.send(self.driver.find_element(By.LINK_TEXT, words))

    def send(self, button, key=None):
        self.driver.execute_script("window.__leaves = true")
        button.send_keys(key) if key else button.click()
        until("another page comes", self.has_left)

    def has_left(self):
        return self.driver.execute_script("return window.__leaves === undefined && document.readyState === 'complete'")

    def answer(self, words, accept):
        """Presses a button and answers the question that the page asks before it acts; returns the question."""
        self.driver.execute_script("window.__leaves = true")
        self.button(words).click()
        question = self.driver.switch_to.alert
        text = question.text
        if accept:
            question.accept()
            until("another page comes", self.has_left)
        else:
            question.dismiss()
        return text

    def cookie(self, name):
        """A cookie, or None. Those of all ports of a host are one jar."""
        return next((cookie for cookie in self.driver.get_cookies() if cookie["name"] == name), None)

    @property
    def text(self):
        return self.find("body").text

    @property
    def heading(self):
        return self.find("h1").text

    def waits_for(self, text, within=60):
        """Waits until the page shows a text by itself: it is not loaded anew."""
        self.driver.execute_script("window.__stays = true")
        until(f"the page shows '{text}'", lambda: text in self.text, within)
        assert self.driver.execute_script("return window.__stays") is True, "the page was loaded anew"

    def tab_stops(self, limit=60):
        """What the Tab key reaches, in order: name, words, and whether the focus is seen."""
        self.driver.execute_script("document.activeElement.blur(); window.scrollTo(0, 0)")
        stops = []
        for _ in range(limit):
            webdriver.ActionChains(self.driver).send_keys(Keys.TAB).perform()
            stop = tuple(self.driver.execute_script(FOCUSED))
            if stop[0] == "BODY":
                break
            stops.append(stop)
        return stops

    # What every page has to be

    def check(self, axe=True, expected=()):
        """The page said nothing in the console, broke no policy, is as wide as the window, and readable for all.

        `expected` are texts of console messages that belong to the scene, such as a status of 401.
        """
        said = [
            entry["message"] for entry in self.driver.get_log("browser")
            if entry["level"] in ("WARNING", "SEVERE") and not any(words in entry["message"] for words in expected)
        ]
        assert said == [], f"{self.driver.current_url}: the console says {said}"
        violations = self.driver.execute_script("return window.__violations")
        assert violations == [], f"{self.driver.current_url}: forbidden by the policy: {violations}"
        wider = self.driver.execute_script(WIDER)
        assert wider == [], f"{self.driver.current_url}: too wide: {wider}"
        if axe:
            self.check_access()

    def check_access(self):
        """axe-core, which knows the Web Content Accessibility Guidelines, finds nothing."""
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
        found = Axe().run(self.driver, options={"runOnly": {"type": "tag", "values": tags}})
        problems = [
            {"rule": item["id"], "help": item["help"], "where": [node["html"][:200] for node in item["nodes"]][:3],
             "why": [node.get("failureSummary", "") for node in item["nodes"]][:1]}
            for item in found["violations"]
        ]
        assert problems == [], f"{self.driver.current_url}: {json.dumps(problems, indent=1)}"
