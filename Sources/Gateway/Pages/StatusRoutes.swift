// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
public import JobQueue
public import Logging
public import Model
public import SyncStore

/// The pages for operators, on the private listener: what runs, what does not, and what waits for a person.
public struct StatusRoutes: Sendable {
    let reader: LedgerReader
    let schedules: ScheduleStore
    let queue: JobQueue
    let operations: Operations
    let directory: ServiceDirectory
    let links: ConnectLinkStore
    let keys: GatewayKeys
    let publicURL: @Sendable () -> String
    let limitReader: LimitReader
    let session: PageSession
    let frame = PageFrame(root: "")
    let counter: FleetCounter
    let streams: StreamFigures
    let logger: Logger

    /// How many rows a page shows.
    static let rows = 50

    /// Without `token` nobody can sign in.
    public init(
        token: SecretString?, reader: LedgerReader, fleet: FleetCounter, schedules: ScheduleStore,
        queue: JobQueue,
        operations: Operations, directory: ServiceDirectory, links: ConnectLinkStore, keys: GatewayKeys,
        publicURL: @escaping @Sendable () -> String, limits: @escaping LimitReader, logger: Logger
    ) {
        self.reader = reader
        self.schedules = schedules
        self.queue = queue
        self.operations = operations
        self.directory = directory
        self.links = links
        self.keys = keys
        self.publicURL = publicURL
        limitReader = limits
        self.logger = logger
        counter = fleet
        streams = StreamFigures(reader, logger: logger)
        session = PageSession(keys: keys, token: token)
    }

    /// For the private listener.
    public var routes: [Route] {
        PageFrame.assetRoutes + [PageFrame.scriptRoute] + signInRoutes + [
            page("/") { _, _, check in try await fleet(check) },
            page("/integrations") { request, now, check in try await integrations(request, now, check) },
            page("/integrations/{id}") { request, now, check in
                try await integration(try request.id64, now, check)
            },
            page("/integrations/{id}/quarantine") { request, now, check in
                try await quarantine(request, now, check)
            },
            page("/runs/{id}") { request, now, check in try await run(request, now, check) },
            page("/actions") { request, now, check in try await actions(request, now, check) },
            page("/actions/{id}") { request, now, check in try await action(request, now, check) },
            page("/dead-letters") { request, now, check in try await deadLetters(request, now, check) },
            page("/sweeps") { request, now, check in try await sweeps(request, now, check) },
            page("/schedules") { _, now, check in try await scheduleList(now, check) },
            live("/live/integrations/{id}") { request in
                let id = try request.id64
                return { try await liveIntegration(id) }
            },
            live("/live/actions/{id}") { request in
                let id = try request.id64
                return { try await liveAction(id) }
            },
            live("/live/fleet") { _ in { try await liveFleet(try await counter.value()) } },
        ] + buttonRoutes
    }

    // MARK: Signing in

    private var signInRoutes: [Route] {
        [
            Route("GET", "/signin", for: .person) { _ in signInPage() },
            Route("POST", "/signin", for: .person) { request in
                let form = try session.sameSiteForm(request)
                guard
                    let cookie = try await mapped({
                        try session.signIn(form["token"] ?? "", request, at: try await reader.now())
                    })
                else { return signInPage(problem: "This is not the admin token.") }
                return GatewayResponse(status: 303, headers: [("Location", "/"), cookie])
            },
            Route("POST", "/signout", for: .person) { request in
                _ = try session.sameSiteForm(request)
                return GatewayResponse(
                    status: 303, headers: [("Location", "/signin"), session.signOut(request)])
            },
        ]
    }

    private func signInPage(problem: String? = nil) -> GatewayResponse {
        let complaint: HTML? = problem.map { "<p class=\"bad\" role=\"alert\">\($0)</p>" }
        return frame.page(
            problem == nil ? 200 : 401, title: "Sign in to Lockstep",
            """
            <div class="card narrow">
            <h1>Lockstep</h1>
            \(complaint)
            <form method="post" action="/signin">
            <input type="text" name="username" value="operator" autocomplete="username" hidden>
            <label>Admin token
            <input type="password" name="token" required autofocus autocomplete="current-password"></label>
            <button class="main">Sign in</button>
            </form>
            <p class="muted">It is the value of LOCKSTEP_ADMIN_TOKEN. Signing in needs HTTPS, or a browser on the gateway's machine.</p>
            </div>
            """)
    }

    // MARK: What all pages share

    /// A page for who is signed in; others are sent to sign in. The handler gets the time and what forms carry.
    private func page(
        _ path: String,
        _ handler: @escaping @Sendable (GatewayRequest, Timestamp, String) async throws -> GatewayResponse
    ) -> Route {
        Route("GET", path, for: .person) { request in
            try await mapped {
                let now = try await reader.now()
                guard let open = try session.open(request, at: now) else {
                    return GatewayResponse(status: 303, headers: [("Location", "/signin")])
                }
                return try await handler(request, now, try session.check(open))
            }
        }
    }

    /// A form of a page; the answer is the path to go to, or a page.
    func action(
        _ path: String,
        _ handler: @escaping @Sendable (GatewayRequest, FormFields, String) async throws -> GatewayResponse
    ) -> Route {
        Route("POST", path, for: .person) { request in
            try await mapped {
                guard let open = try session.open(request, at: try await reader.now()) else {
                    return GatewayResponse(status: 303, headers: [("Location", "/signin")])
                }
                let form = try session.form(request, open)
                logger.notice("a page's form was sent", metadata: ["path": "\(request.path)"])
                return try await handler(request, form, try session.check(open))
            }
        }
    }

    private func mapped<Result>(_ body: () async throws -> Result) async throws -> Result {
        do {
            return try await body()
        } catch {
            guard let problem = Problem(error) else { throw error }
            if problem.status >= 500 { logger.warning("a page failed", metadata: ["error": "\(error)"]) }
            throw problem
        }
    }

    /// Parts of a page that stay fresh: sent when they change, once a second at most.
    private func live(
        _ path: String,
        _ make: @escaping @Sendable (GatewayRequest) throws -> (@Sendable () async throws -> HTML)
    ) -> Route {
        Route("GET", path) { request in
            do {
                return try await mapped {
                    guard try session.open(request, at: try await reader.now()) != nil else {
                        throw Problem(401, "unauthorized", "Sign in first.")
                    }
                    let render = try make(request)
                    return LiveFeed.response(render)
                }
            } catch let problem as Problem where problem.status == 503 {
                return LiveFeed.later
            }
        }
    }

    /// The beginning of a text that may be long: a page stays small.
    static func clipped(_ text: String, _ length: Int = 300) -> String {
        let scalars = text.unicodeScalars
        return scalars.count <= length ? text : String(String.UnicodeScalarView(scalars.prefix(length))) + "…"
    }

    /// As many rows as fit, at least one.
    static func fitting(_ rows: [[HTML]], in bytes: Int) -> [[HTML]] {
        var (count, sum) = (0, 0)
        for row in rows {
            // A cell has tags around it.
            sum += row.reduce(20) { $0 + $1.text.utf8.count + 32 }
            guard sum <= bytes || count == 0 else { break }
            count += 1
        }
        return Array(rows.prefix(count))
    }

    /// What every page links to.
    private static let places = [
        ("Fleet", "/"), ("Accounts", "/integrations"), ("Actions", "/actions"),
        ("Dead letters", "/dead-letters"), ("Held deletions", "/sweeps"), ("Schedules", "/schedules"),
    ]

    /// The page around a content.
    func framed(
        _ title: String, _ check: String, script: Bool = true, status: Int = 200, _ content: HTML
    ) -> GatewayResponse {
        let links: [HTML] = Self.places.map { name, path in
            let current: HTML? = name == title ? " aria-current=\"page\"" : nil
            return "<a href=\"\(path)\"\(current)>\(name)</a>\n"
        }
        return frame.page(
            status, title: "\(title) - Lockstep",
            top: """
                <header><nav aria-label="Main">
                <b>Lockstep</b>
                \(links)
                <form method="post" action="/signout"><input type="hidden" name="check" value="\(check)"><button>Sign out</button></form>
                </nav></header>
                """, script: script, content)
    }

    /// A link to the rest of a list, which begins at a cursor; nothing without one. `filter` is what the query repeats.
    func nextPage(_ path: String, at cursor: String?, filter: String = "") -> HTML? {
        cursor.map {
            "<p><a class=\"button\" href=\"\(path)?cursor=\($0)\(filter)\">Next page</a></p>"
        }
    }

    /// A button that sends a form; `question` is asked before.
    func button(
        _ words: String, _ path: String, _ check: String, look: String = "", question: String? = nil
    ) -> HTML {
        let confirm: HTML? = question.map { " data-confirm=\"\($0)\"" }
        return """
            <form class="inline" method="post" action="\(path)"\(confirm)><input type="hidden" name="check" value="\(check)">\
            <button class="\(look)">\(words)</button></form>
            """
    }

    /// A table; nothing to show has words of its own.
    func table(_ heads: [String], numbers: Set<Int> = [], _ rows: [[HTML]], none: String) -> HTML {
        guard !rows.isEmpty else { return "<p class=\"muted\">\(none)</p>" }
        let head: [HTML] = heads.enumerated().map { index, text in
            numbers.contains(index)
                ? "<th scope=\"col\" class=\"number\">\(text)</th>" : "<th scope=\"col\">\(text)</th>"
        }
        let body: [HTML] = rows.map { row in
            let cells: [HTML] = row.enumerated().map { index, cell in
                // Where there is no room for a head above the column, the cell itself says what it is.
                let look: HTML? = numbers.contains(index) ? " class=\"number\"" : nil
                return "<td\(look) data-label=\"\(heads[index])\">\(cell)</td>"
            }
            return "<tr>\(cells)</tr>\n"
        }
        return """
            <div class="table" tabindex="0"><table><thead><tr>\(head)</tr></thead>
            <tbody>
            \(body)</tbody></table></div>
            """
    }
}
