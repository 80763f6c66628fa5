// SPDX-License-Identifier: Apache-2.0

import Model
import SyncStore

extension StatusRoutes {
    /// How many of the newest records the groups are made of.
    private static let counted = 1_000
    /// How much of a record a page shows.
    private static let excerptBytes = 300
    private static let groupBytes = 15_000
    private static let recordBytes = 65_000

    /// How many records of an account were put aside, by stream and reason, with a link to them; nothing when there are none.
    func asideSummary(of id: Int64) async throws -> HTML? {
        let groups = try await reader.quarantineGroups(of: id, limit: Self.counted)
        guard !groups.isEmpty else { return nil }
        let count = groups.reduce(0) { $0 + $1.count }
        return """
            <h2>Put aside</h2>
            <p><a href="/integrations/\(id)/quarantine">\(Self.amount(count)) records</a> could not be stored.</p>
            \(groupTable(groups))
            """
    }

    private func groupTable(_ groups: [(stream: String, reason: String, count: Int64)]) -> HTML {
        let rows: [[HTML]] = groups.map {
            [.name(Self.clipped($0.stream, 100)), "\(Self.clipped($0.reason, 100))", "\($0.count)"]
        }
        return table(
            ["Stream", "Reason", "Records"], numbers: [2], Self.fitting(rows, in: Self.groupBytes), none: "")
    }

    private static func amount(_ count: Int64) -> String {
        count < Int64(counted) ? "\(count)" : "\(counted) or more"
    }

    /// The records of an account that could not be stored, the newest first; of one run with `run`.
    func quarantine(
        _ request: GatewayRequest, _ now: Timestamp, _ check: String
    ) async throws -> GatewayResponse {
        try request.allow(["cursor", "run"])
        let id = try request.id64
        let integration = try await find(id)
        let run = try request.number("run")
        let found = try await reader.quarantine(
            of: id, run: run, before: try request.cursor(.quarantine)?[0] ?? .max, limit: Self.rows,
            excerpt: Self.excerptBytes)
        let ago = Ago(now: now)
        let rows: [[HTML]] = found.map { record in
            let text = String(decoding: record.excerpt, as: UTF8.self)
            let more = record.byteCount > Int64(record.excerpt.count) ? "…" : ""
            return [
                ago.text(record.quarantinedAt.rfc3339, none: ""), .name(Self.clipped(record.stream, 100)),
                record.externalID.map {
                    .name(Self.clipped(String(decoding: $0, as: UTF8.self), 100))
                } ?? "<span class=\"muted\">none</span>",
                "\(Self.clipped(record.reason, 100))",
                "<a href=\"/runs/\(record.runID)\">\(record.runID)</a>", "\(record.byteCount)",
                "<pre>\(text)\(more)</pre>",
            ]
        }
        let shown = Self.fitting(rows, in: Self.recordBytes)
        let hasMore = shown.count < rows.count || found.count == Self.rows
        let filter = run.map { "&run=\($0)" } ?? ""
        let cursor =
            hasMore ? found.prefix(shown.count).last.map { PageCursor.make(.quarantine, [$0.id]) } : nil
        let groups = run == nil ? try await reader.quarantineGroups(of: id, limit: Self.counted) : []
        let summary: HTML? = groups.isEmpty ? nil : groupTable(groups)
        let scope: HTML? = run.map { " that run <a href=\"/runs/\($0)\">\($0)</a> met first" }
        return framed(
            "Put aside", check,
            """
            <h1>Records put aside</h1>
            <p>Objects of <a href="/integrations/\(id)">\(.name(title(of: integration.service))) of \(.name(integration.userId))</a>\(scope)
            that could not be stored. The others of their pages were. Each is kept once, as it came.</p>
            \(summary)
            \(table(
                ["Since", "Stream", "Id", "Reason", "Run", "Bytes", "Beginning"], numbers: [5], shown,
                none: "There is none."))
            \(nextPage("/integrations/\(id)/quarantine", at: cursor, filter: filter))
            """)
    }
}
