// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import Logging
import Model
import SyncStore

extension StatusRoutes {
    /// What the table of actions may have, so that the page stays under 100 KB whatever is in it.
    private static let listBytes = 70_000
    /// How many actions the page of an account shows, and how many attempts that of an action.
    private static let newest = 5
    private static let attempts = 20
    /// How many characters of an input or a result a page shows.
    private static let contentLimit = 4_000

    /// Actions of all accounts, the newest first, without what they take and gave.
    func actions(
        _ request: GatewayRequest, _ now: Timestamp, _ check: String
    ) async throws -> GatewayResponse {
        try request.allow(["integration_id", "service", "user_id", "status", "cursor"])
        func text(_ name: String) -> String? { request.query[name].flatMap { $0.isEmpty ? nil : $0 } }
        let filter = ActionFilter(
            integration: try request.number("integration_id"), service: text("service"),
            userID: text("user_id"), status: try request.actionStatus)
        let items = try await reader.actions(
            filter, before: try request.cursor(.actions)?[0] ?? .max, limit: Self.rows)
        let found: [PageModels.Action] = try items.map { try PageModels.read($0.json) }
        let ago = Ago(now: now)
        let rows = found.map { row(of: $0, ago, withAccount: true) }
        let shown = Self.fitting(rows, in: Self.listBytes)
        let hasMore = shown.count < rows.count || found.count == Self.rows
        let cursor = hasMore ? found.prefix(shown.count).last.map { PageCursor.make(.actions, [$0.id]) } : nil
        let scope: HTML? = filter.integration.map {
            """
            <p>Of <a href="/integrations/\($0)">account \($0)</a> only. <a href="/actions">Those of all accounts</a></p>

            """
        }
        return framed(
            "Actions", check,
            """
            <h1>Actions</h1>
            \(scope)<form class="card fields" action="/actions">
            \(filter.integration.map { "<input type=\"hidden\" name=\"integration_id\" value=\"\($0)\">" } as HTML?)
            <label>User <input name="user_id" value="\(filter.userID ?? "")"></label>
            <label>Service <input name="service" value="\(filter.service ?? "")"></label>
            <label>State <select name="status">\(Self.choices(filter.status))</select></label>
            <button>Show</button>
            </form>
            \(table(
                ["Action", "What", "Account", "State", "Requested", "Ended", "Attempts", "Error"], numbers: [6],
                shown, none: "There is no such action."))
            \(nextPage("/actions", at: cursor, filter: Self.query(filter)))
            """)
    }

    /// The newest actions of an account; nothing where nobody ever wished for one.
    func actionSummary(of item: PageModels.Integration, _ ago: Ago) async throws -> HTML? {
        let found: [PageModels.Action] = try await reader.actions(
            ActionFilter(integration: item.id), before: .max, limit: Self.newest
        ).map { try PageModels.read($0.json) }
        guard !found.isEmpty else { return nil }
        let more: HTML? =
            found.count < Self.newest
            ? nil : "<p><a href=\"/actions?integration_id=\(item.id)\">All actions of this account</a></p>"
        return """
            <h2>Actions</h2>
            \(table(
                ["Action", "What", "State", "Requested", "Ended", "Attempts", "Error"], numbers: [5],
                found.map { row(of: $0, ago, withAccount: false) }, none: ""))
            \(more)
            """
    }

    private func row(of action: PageModels.Action, _ ago: Ago, withAccount: Bool) -> [HTML] {
        let account: HTML =
            "<a href=\"/integrations/\(action.integrationId)\">\(.name(title(of: action.service))) of \(.name(action.userId))</a>\(account(action.account))"
        return [
            "<a href=\"/actions/\(action.id)\">\(action.id)</a>", .name(Self.clipped(action.name, 100)),
        ] + (withAccount ? [account] : []) + [
            StateWords.action(action.status), ago.text(action.createdAt, none: ""),
            ago.text(action.completedAt, none: "not yet"), "\(action.attempts)",
            "\(Self.clipped(action.errorMessage ?? ""))",
        ]
    }

    private static func choices(_ chosen: String?) -> [HTML] {
        let all: HTML = "<option value=\"\">all</option>"
        return [all]
            + ActionFilter.statuses.map { status in
                let mark: HTML? = status == chosen ? " selected" : nil
                return "<option\(mark)>\(status)</option>"
            }
    }

    /// What a link to the next page repeats.
    private static func query(_ filter: ActionFilter) -> String {
        [
            ("integration_id", filter.integration.map { "\($0)" }), ("service", filter.service),
            ("user_id", filter.userID), ("status", filter.status),
        ].compactMap { name, value in value.map { "&\(name)=\(PercentEncoding.encoded($0))" } }.joined()
    }

    /// One action. What it takes and gave may be what people wrote, or a secret of a third party: it is shown to who asks for it.
    func action(
        _ request: GatewayRequest, _ now: Timestamp, _ check: String
    ) async throws -> GatewayResponse {
        try request.allow(["content"])
        let id = try request.id64
        let action = try await findAction(id)
        let content = request.query["content"] == "1" ? try await content(of: id) : Self.hidden(id)
        let live: HTML? =
            action.isOpen ? " data-live=\"/live/actions/\(id)\" aria-live=\"polite\"" : nil
        return framed(
            "Action \(id)", check,
            """
            <h1>Action \(id): \(.name(Self.clipped(action.name, 100)))</h1>
            <div\(live)>\(try await liveAction(id))</div>
            <h2>What it takes and gave</h2>
            \(content)
            """)
    }

    /// What becomes of an action, and its attempts.
    func liveAction(_ id: Int64) async throws -> HTML {
        let action = try await findAction(id)
        let ago = Ago(now: try await reader.now())
        let runs: [PageModels.Run] = try await reader.runs(
            of: action.integrationId, action: id, before: .max, limit: Self.attempts
        ).map { try PageModels.read($0.json) }
        let failure: HTML? = action.errorCode.map { code in
            """
            <div class="card"><p class="bad">\(Self.clipped(action.errorMessage ?? "", 1_000))</p>
            <pre>\(Self.clipped("\(code): \(action.errorDetail ?? "")", 1_000))</pre></div>
            """
        }
        return """
            <div class="card">
            <p>\(StateWords.action(action.status)), <a href="/integrations/\(action.integrationId)">\(.name(title(of: action.service))) of \(.name(action.userId))</a>\(account(action.account))</p>
            <p>\(Self.meaning(of: action.status))</p>
            <p>Requested \(ago.text(action.createdAt, none: "")), ended \(ago.text(action.completedAt, none: "not yet")).
            Idempotency key <code>\(action.idempotencyKey)</code>.</p>
            </div>
            \(failure)
            <h2>Attempts: \(action.attempts)</h2>
            \(table(
                ["Run", "State", "Began", "Ended", "Requests", "Worker", "Error"], numbers: [4],
                runs.map {
                    [
                        "<a href=\"/runs/\($0.id)\">\($0.id)</a>", StateWords.run($0.status),
                        ago.text($0.startedAt, none: ""), ago.text($0.completedAt, none: "not yet"),
                        "\($0.apiCalls)", "<code>\(Self.clipped($0.worker, 100))</code>",
                        "\(Self.clipped($0.errorMessage ?? ""))",
                    ]
                }, none: action.attempts == 0 ? "None has begun." : "Their runs are not in the log any more."))
            """
    }

    /// The words of docs/operators.md, in a sentence.
    private static func meaning(of status: String) -> HTML {
        switch status {
        case "requested": "It is accepted and will be done."
        case "running": "An attempt is under way, or a later one will find out what became of the last."
        case "succeeded": "It is done."
        case "failed": "It was refused or never sent. Nothing was changed at the provider."
        default:
            "The request went out, and nobody knows whether it took effect. Nothing is sent again: look at the provider, then request it anew."
        }
    }

    private static func hidden(_ id: Int64) -> HTML {
        """
        <p class="muted">It may be what people wrote, and a secret such as what a customer confirms a payment with.</p>
        <p><a class="button" href="/actions/\(id)?content=1">Show it</a></p>
        """
    }

    private func content(of id: Int64) async throws -> HTML {
        guard let content = try await reader.content(ofAction: id, limit: Self.contentLimit) else {
            throw Operations.unknownAction(id)
        }
        logger.notice("what an action takes and gave was shown", metadata: ["action": "\(id)"])
        let parts: [HTML] = [("Input", content.input), ("Result", content.result)].map { name, part in
            guard let part else { return "<p class=\"muted\">There is no result.</p>" }
            let rest: HTML? =
                part.isWhole ? nil : "<p class=\"muted\">This is the beginning. The API gives all.</p>"
            return """
                <div class="card"><p class="muted">\(name), \(part.byteCount) bytes</p>
                <pre>\(part.text)</pre>\(rest)</div>

                """
        }
        return """
            \(parts)<p><a class="button" href="/actions/\(id)">Hide it</a></p>
            """
    }

    private func findAction(_ id: Int64) async throws -> PageModels.Action {
        guard let found = try await reader.actionSummary(id) else { throw Operations.unknownAction(id) }
        return try PageModels.read(found.json)
    }
}
