// SPDX-License-Identifier: Apache-2.0

/// What all pages have in common. Nothing in a page runs or loads but what this gateway serves.
struct PageFrame: Sendable {
    /// What stands before every path, such as `/base` of a gateway behind a proxy; empty for none.
    let root: String

    static let policy =
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
        + "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

    /// A page with a title and a content; `top` is what stands above the content, `script` whether live parts are kept fresh.
    func page(
        _ status: Int = 200, title: String, top: HTML = "", script: Bool = false, _ content: HTML
    ) -> GatewayResponse {
        let scripts: HTML = script ? "<script src=\"\(root)/assets/live.js\" defer></script>" : ""
        let document: HTML = """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <title>\(title)</title>
            <link rel="icon" type="image/svg+xml" href="\(root)/assets/icon.svg">
            <link rel="stylesheet" href="\(root)/assets/style.css">
            \(scripts)
            </head>
            <body>
            \(top)
            <main>
            \(content)
            </main>
            </body>
            </html>

            """
        return GatewayResponse(
            status: status,
            headers: [
                ("Content-Type", "text/html; charset=utf-8"), ("Content-Security-Policy", Self.policy),
                ("X-Frame-Options", "DENY"), ("Cross-Origin-Opener-Policy", "same-origin"),
                // Other sites learn nothing. With `no-referrer` a browser would send `Origin: null` with this page's own
                // forms too (Fetch, 3.2), and they could not be told from another site's.
                ("Referrer-Policy", "same-origin"),
            ], body: Array(document.text.utf8))
    }

    /// A refusal as a person reads it.
    func problem(_ problem: Problem, _ id: String) -> GatewayResponse {
        let title =
            switch problem.status {
            case 500...: "That did not work"
            case 404: "There is nothing here"
            default: "That is not possible"
            }
        var response = page(
            problem.status, title: title,
            """
            <div class="card narrow">
            <h1>\(title)</h1>
            <p>\(problem.detail)</p>
            <p class="muted">If you ask for help, name this number: <code>\(id)</code></p>
            </div>
            """)
        response.headers += problem.headers
        return response
    }

    /// What every page loads.
    static let assetRoutes = [styleRoute, iconRoute]

    private static let iconRoute = Route("GET", "/assets/icon.svg", for: .person) { _ in
        GatewayResponse(
            status: 200, headers: [("Content-Type", "image/svg+xml"), ("Cache-Control", "max-age=300")],
            body: PackageResources.icon_svg)
    }

    private static let styleRoute = Route("GET", "/assets/style.css", for: .person) { _ in
        GatewayResponse(
            status: 200,
            headers: [("Content-Type", "text/css; charset=utf-8"), ("Cache-Control", "max-age=300")],
            body: PackageResources.style_css)
    }

    /// The script of pages that stay fresh.
    static let scriptRoute = Route("GET", "/assets/live.js", for: .person) { _ in
        GatewayResponse(
            status: 200,
            headers: [("Content-Type", "text/javascript; charset=utf-8"), ("Cache-Control", "max-age=300")],
            body: PackageResources.live_js)
    }
}
