// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import Model
import SyncStore

extension StatusRoutes {
    func integrations(
        _ request: GatewayRequest, _ now: Timestamp, _ check: String
    ) async throws -> GatewayResponse {
        try request.allow(["service", "user_id", "cursor"])
        let service = request.query["service"].flatMap { $0.isEmpty ? nil : $0 }
        let user = request.query["user_id"].flatMap { $0.isEmpty ? nil : $0 }
        let items = try await reader.integrations(
            service: service, userID: user, after: try request.cursor(.integrations)?[0] ?? 0,
            limit: Self.rows)
        let found: [PageModels.Integration] = try items.map { try PageModels.read($0.json) }
        let ago = Ago(now: now)
        let rows: [[HTML]] = found.map { item in
            [
                "<a href=\"/integrations/\(item.id)\">\(item.id)</a>", .name(item.userId),
                "\(.name(title(of: item.service)))\(account(item))",
                StateWords.integration(status: item.status, health: item.health),
                item.running == nil ? ago.text(item.lastSuccessAt, none: "never") : "syncing now",
                "\(Self.clipped(item.lastError?.message ?? ""))",
            ]
        }
        let filter = [("service", service), ("user_id", user)].compactMap { name, value in
            value.map { "&\(name)=\(PercentEncoding.encoded($0))" }
        }.joined()
        let cursor =
            items.count < Self.rows ? nil : items.last.map { PageCursor.make(.integrations, [$0.id]) }
        return framed(
            "Accounts", check,
            """
            <h1>Accounts</h1>
            <form class="card fields" action="/integrations">
            <label>User <input name="user_id" value="\(user ?? "")"></label>
            <label>Service <input name="service" value="\(service ?? "")"></label>
            <button>Show</button>
            </form>
            \(table(["Id", "User", "Service", "State", "Last synced", "Error"], rows, none: "There is no such account."))
            \(nextPage("/integrations", at: cursor, filter: filter))
            """)
    }

    /// One account as its user sees it, and what an operator can do about it.
    func integration(_ id: Int64, _ now: Timestamp, _ check: String) async throws -> GatewayResponse {
        let item = try await find(id)
        let hours: [PageModels.Hour] = try PageModels.read(try await reader.activity(of: id))
        let name = title(of: item.service)
        let isLocked = item.status == "reauth_required" || item.status == "disconnected"
        return framed(
            "\(name) of \(item.userId)", check,
            """
            <h1>\(.name(name)) of \(.name(item.userId))\(account(item))</h1>
            <div class="actions">
            \(button("Sync now", "/integrations/\(id)/sync", check, look: isLocked ? "" : "main"))
            \(button("Read everything again", "/integrations/\(id)/full", check))
            \(item.status == "paused"
                ? button("Resume", "/integrations/\(id)/resume", check)
                : button("Pause", "/integrations/\(id)/pause", check))
            \(button("Reconnect", "/integrations/\(id)/link", check, look: isLocked ? "main" : ""))
            \(button(
                "Disconnect", "/integrations/\(id)/disconnect", check, look: "danger",
                question: "Disconnect this account? Its credential is deleted; its records stay."))
            </div>
            <div data-live="/live/integrations/\(id)" aria-live="polite">\(try await liveIntegration(id))</div>
            \(Chart.runs(hours))
            \(await limits(of: id, item.service))
            \(try await asideSummary(of: id))
            """)
    }

    /// The state, the streams and the last runs.
    func liveIntegration(_ id: Int64) async throws -> HTML {
        let item = try await find(id)
        let ago = Ago(now: try await reader.now())
        let streams: [PageModels.Stream] = try PageModels.read(try await self.streams.streams(of: id))
        let runs: [PageModels.Run] = try await reader.runs(of: id, before: .max, limit: 10).map {
            try PageModels.read($0.json)
        }
        let progress: HTML =
            if let running = item.running {
                "Syncing now: \(running.pages) pages, \(running.recordsRead) records read so far."
            } else {
                "Last synced \(ago.text(item.lastSuccessAt, none: "never"))."
            }
        // The first sync has nothing behind it, and is no account that nothing happens with.
        let health = item.running != nil && item.health == "idle" ? "healthy" : item.health
        let failure: HTML? = item.lastError?.message.map { "<p class=\"bad\">\($0)</p>" }
        return """
            <div class="card">
            <p>\(StateWords.integration(status: item.status, health: health))</p>
            <p>\(progress)</p>
            \(failure)
            </div>
            <h2>Data</h2>
            \(table(
                ["Stream", "Records", "Last synced", "Last read completely", "Now"], numbers: [1],
                streams.prefix(Self.rows).map {
                    [
                        .name($0.stream), "\($0.records)", ago.text($0.lastSuccessAt, none: "never"),
                        ago.text($0.lastFullAt, none: "never"), $0.phase == "idle" ? "" : "\($0.phase)",
                    ]
                }, none: "Nothing was synced yet."))
            <h2>Runs</h2>
            \(table(
                ["Run", "Type", "State", "Began", "Pages", "Added", "Changed", "Deleted", "Error"],
                numbers: [4, 5, 6, 7],
                runs.map {
                    [
                        "<a href=\"/runs/\($0.id)\">\($0.id)</a>", "\($0.type)", StateWords.run($0.status),
                        ago.text($0.startedAt, none: ""), "\($0.pages)", "\($0.recordsAdded)",
                        "\($0.recordsUpdated)", "\($0.recordsDeleted)", "\(Self.clipped($0.errorMessage ?? ""))",
                    ]
                }, none: "Nothing ran yet."))
            \(try await actionSummary(of: item, ago))
            """
    }

    func find(_ id: Int64) async throws -> PageModels.Integration {
        guard let item = try await reader.integration(id) else { throw Operations.unknownIntegration(id) }
        return try PageModels.read(item.json)
    }

    /// The account's name, where there may be several.
    private func account(_ item: PageModels.Integration) -> HTML { account(item.account) }

    func account(_ name: String) -> HTML {
        name == IntegrationKey.defaultAccount ? "" : " (\(.name(name)))"
    }
}
