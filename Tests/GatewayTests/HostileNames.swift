// SPDX-License-Identifier: Apache-2.0

/// Names that have broken pages elsewhere.
enum HostileNames {
    static let all = [
        "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'-alert(1)-'",
        "</title><svg/onload=alert(1)>",
        "javascript:alert(1)", "{{7*7}}${7*7}", "<!--", "]]>", "&lt;b&gt;", "&#x3c;script&#x3e;",
        "a\u{202E}gpj.exe",
        "\u{0000AD}\u{200B}", "\u{7F}\u{85}\u{1B}[31m", "data: x\n\nevent: evil\ndata: y",
        "\r\nSet-Cookie: a=b", "`${alert(1)}`",
        "<bdi>", "</main></body>", "onmouseover=\"alert(1)\"", "日本語 \u{1F469}\u{200D}\u{1F467} e\u{301}",
        "%3Cscript%3E", "a/../b?c#d",
        String(repeating: "Z\u{0351}\u{036B}", count: 40), "=cmd|' /C calc'!A0",
    ]
}

/// A page as a browser takes it apart: which tags and attributes there are.
struct MarkupCheck {
    /// Everything that our pages are made of. A name that became markup would show here.
    private static let tags: Set<String> = [
        "!doctype", "html", "head", "meta", "title", "link", "script", "body", "header", "nav", "main", "h1",
        "h2", "p", "a", "b",
        "div", "span", "bdi", "br", "code", "pre", "time", "table", "thead", "tbody", "tr", "th", "td",
        "form", "input", "label",
        "button", "select", "option", "figure", "figcaption", "svg", "g", "rect", "line", "text",
    ]
    private static let attributes: Set<String> = [
        "html", "lang", "charset", "name", "content", "rel", "href", "src", "defer", "class", "method",
        "action", "type", "value",
        "required", "maxlength", "autofocus", "autocomplete", "spellcheck", "role", "aria-label", "aria-live",
        "data-live",
        "data-confirm", "datetime", "title", "scope", "tabindex", "viewBox", "x", "y", "x1", "x2", "y1", "y2",
        "width", "height",
        "preserveAspectRatio", "aria-current", "data-label", "hidden", "selected",
    ]

    /// What is in a page that we never write.
    static func strange(in page: String) -> [String] {
        var found: [String] = []
        var rest = page[...]
        while let open = rest.firstIndex(of: "<") {
            rest = rest[rest.index(after: open)...]
            // Attributes are in double quotes, and quotes in values are escaped: a tag ends at the first `>` outside of them.
            var (tag, quoted) = ("", false)
            while let character = rest.first, character != ">" || quoted {
                if character == "\"" { quoted.toggle() }
                tag.append(character)
                rest.removeFirst()
            }
            let name = tag.drop { $0 == "/" }.prefix { $0 != " " && $0 != "/" && $0 != "\n" }.lowercased()
            if !tags.contains(name) { found.append("<\(name)>") }
            var bare = ""
            quoted = false
            for character in tag.dropFirst(name.count + (tag.hasPrefix("/") ? 1 : 0)) {
                if character == "\"" { quoted.toggle() } else if !quoted { bare.append(character) }
            }
            for word in bare.split(whereSeparator: { $0 == " " || $0 == "\n" || $0 == "=" || $0 == "/" })
            where !attributes.contains(String(word)) { found.append("\(name) \(word)") }
        }
        return found
    }
}
