// SPDX-License-Identifier: Apache-2.0

import Model
import SyncStore

extension StatusRoutes {
    /// What a table of a page with several of them may have, so that the page stays under 100 KB whatever is in it.
    private static let streamBytes = 30_000
    private static let requestBytes = 45_000

    /// One run with its streams, and its requests page by page.
    func run(_ request: GatewayRequest, _ now: Timestamp, _ check: String) async throws -> GatewayResponse {
        try request.allow(["cursor"])
        let id = try request.id64
        guard let found = try await reader.run(id) else { throw Operations.unknownRun(id) }
        let offset = Int(try request.cursor(.requests)?[0] ?? 0)
        let run: PageModels.Run = try PageModels.read(found.json)
        let streams: [PageModels.RunStream] = try PageModels.read(try await reader.streams(ofRun: id))
        let ago = Ago(now: now)
        let failure: HTML? = run.errorCode.map { code in
            """
            <div class="card"><p class="bad">\(Self.clipped(run.errorMessage ?? "", 1_000))</p>
            <pre>\(Self.clipped("\(code): \(run.errorDetail ?? "")", 1_000))</pre></div>
            """
        }
        let aside: HTML? =
            run.recordsQuarantined == 0
            ? nil
            : """
            <p>\(run.recordsQuarantined) records could not be stored and were put aside.
            <a href="/integrations/\(run.integrationId)/quarantine?run=\(id)">Those that this run met first</a>,
            <a href="/integrations/\(run.integrationId)/quarantine">all of the account</a>.</p>
            """
        return framed(
            "Run \(id)", check,
            """
            <h1>Run \(id): \(run.type)</h1>
            <div class="card">
            <p>\(StateWords.run(run.status)), <a href="/integrations/\(run.integrationId)">\(.name(title(of: run.service))) of \(.name(run.userId))</a></p>
            <p>Began \(ago.text(run.startedAt, none: "")), ended \(ago.text(run.completedAt, none: "not yet")).
            Attempt \(run.attempt) of job \(Self.job(of: run)), on worker <code>\(run.worker)</code>.</p>
            <p>\(run.pages) pages with \(run.apiCalls) requests; \(run.recordsRead) records read: \(run.recordsAdded) added,
            \(run.recordsUpdated) changed, \(run.recordsDeleted) deleted. It waited \(run.throttledMs) ms for limits.</p>
            \(aside)
            </div>
            \(failure)
            <h2>Streams</h2>
            \(streamTable(streams))
            <h2>Requests</h2>
            \(try await requestTable(of: run, after: offset))
            """)
    }

    /// The job of a run; that of an action leads to it.
    private static func job(of run: PageModels.Run) -> HTML {
        let name: HTML = "<code>\(clipped(run.jobId))</code>"
        guard run.type == "action", run.jobId.hasPrefix("action:"), let action = Int64(run.jobId.dropFirst(7))
        else { return name }
        return "<a href=\"/actions/\(action)\">\(name)</a>"
    }

    private func streamTable(_ streams: [PageModels.RunStream]) -> HTML {
        let rows: [[HTML]] = streams.map {
            [
                .name(Self.clipped($0.stream, 100)), "\($0.pages)", "\($0.recordsRead)", "\($0.recordsAdded)",
                "\($0.recordsUpdated)", "\($0.recordsDeleted)", "\($0.recordsUnchanged)",
                "\($0.recordsQuarantined)", Self.cursor($0.cursorBefore), Self.cursor($0.cursorAfter),
                "\(Self.clipped($0.endedBy ?? "", 100))",
            ]
        }
        let shown = Self.fitting(rows, in: Self.streamBytes)
        let rest: HTML? =
            shown.count == rows.count
            ? nil : "<p class=\"muted\">And \(rows.count - shown.count) more: the API gives all.</p>"
        return """
            \(table(
                [
                    "Stream", "Pages", "Read", "Added", "Changed", "Deleted", "Unchanged", "Put aside", "Cursor before",
                    "Cursor after", "Ended by",
                ], numbers: [1, 2, 3, 4, 5, 6, 7], shown, none: "No page was committed."))
            \(rest)
            """
    }

    /// A cursor may be as long as its provider likes.
    private static func cursor(_ text: String?) -> HTML {
        text.map { "<code>\(Self.clipped($0, 60))</code>" } ?? ""
    }

    /// The requests of a run, in the order in which they were sent.
    private func requestTable(of run: PageModels.Run, after offset: Int) async throws -> HTML {
        let total = try await reader.requestCount(ofRun: run.id)
        let requests: [PageModels.Request] = try await reader.requests(
            ofRun: run.id, passing: offset, limit: Self.rows
        ).map { try PageModels.read($0) }
        let rows: [[HTML]] = requests.enumerated().map { index, request in
            [
                "\(offset + index + 1)", Self.time(request.at), "\(request.method)",
                "<code>\(Self.clipped(request.endpoint))</code>",
                request.statusCode.map { "\($0)" } ?? "none", "\(request.durationMs)", "\(request.bytes)",
                request.error.map { "<span class=\"bad\">\($0)</span>" } ?? "",
                request.requestId.map { "<code>\($0)</code>" } ?? "",
            ]
        }
        let shown = Self.fitting(rows, in: Self.requestBytes)
        let end = offset + shown.count
        let links: HTML = """
            \(offset == 0 ? nil : pageLink("First page", run.id, nil))
            \(end < total && !shown.isEmpty ? pageLink("Next page", run.id, end) : nil)
            """
        let missing =
            run.status == "running"
            ? "No request was logged yet."
            : "The request log has none: it is turned off, its rows are gone, or they were lost."
        let range: HTML? =
            shown.isEmpty
            ? nil : "<p class=\"muted\">\(offset + 1) to \(end) of \(total) in the request log</p>"
        return """
            \(range)
            \(table(
                ["No.", "At", "Method", "Endpoint", "Status", "ms", "Bytes", "Error", "Provider's id"],
                numbers: [0, 4, 5, 6], shown, none: missing))
            <p>\(links)</p>
            """
    }

    private func pageLink(_ words: String, _ run: Int64, _ offset: Int?) -> HTML {
        let query = offset.map { "?cursor=\(PageCursor.make(.requests, [Int64($0)]))" } ?? ""
        return "<a class=\"button\" href=\"/runs/\(run)\(query)\">\(words)</a> "
    }

    /// `14:05:09.123` of a time, with the whole one for whoever points at it.
    private static func time(_ text: String) -> HTML {
        guard let instant = Timestamp(rfc3339: text) else { return "\(text)" }
        let stamp = Timestamp(milliseconds: instant.milliseconds).rfc3339
        return
            "<time datetime=\"\(stamp)\" title=\"\(stamp)\">\(String(stamp.dropFirst(11).dropLast()))</time>"
    }
}
