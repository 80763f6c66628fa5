// SPDX-License-Identifier: Apache-2.0

/// What happened in a mailbox since a number of its history. Old numbers are forgotten.
extension GmailAPI {
    private static let kinds = ["messageAdded", "messageDeleted", "labelAdded", "labelRemoved"]

    func history(_ request: SandboxRequest, _ messages: Collection) throws(GoogleRefusal) -> SandboxResponse {
        let user = messages.key.user
        let limit = try pageSize(request.query)
        guard let text = request.query["startHistoryId"] else {
            throw .invalid("startHistoryId", "Missing or invalid startHistoryId", "invalidArgument")
        }
        let kinds = request.pairs.filter { $0.name == "historyTypes" }.map(\.value)
        guard kinds.allSatisfy(Self.kinds.contains) else {
            throw .invalid("historyTypes", "Invalid value at 'history_types'", "invalidArgument")
        }
        guard let start = HistoryID(text), isKnown(start, user) else {
            throw GoogleRefusal(
                status: 404, domain: "global", reason: "notFound",
                message: "Requested entity was not found.")
        }
        let (begun, place) = try begin(request.query, messages.key, .changes, since: start.sequence)
        var next = place
        var items: [String] = []
        var hasMore = twist == .empty || twist == .repeated
        for change in steps(messages, after: place.position, upTo: place.started) where twist != .empty {
            guard let item = item(change, messages, kinds, request.query["labelId"]) else { continue }
            if items.count == limit {
                hasMore = true
                break
            }
            items.append(item)
            next.position = change.change.sequence
        }
        next.page += 1
        let list = items.isEmpty ? "" : #""history":[\#(items.joined(separator: ","))],"#
        let token =
            hasMore
            ? #""nextPageToken":"\#(self.text(twist == .repeated ? begun : next, messages.key))","# : ""
        return SandboxResponse(json: "{\(list)\(token)\"historyId\":\"\(historyID(user).text)\"}")
    }

    /// Whether the mailbox still remembers what came after a number.
    private func isKnown(_ start: HistoryID, _ user: Int) -> Bool {
        let newest = store.feed(user: user, service: .gmail).last ?? 0
        let era = eras.era(.sync, user: user) % 64
        let isCut = start.era != era && start.sequence <= eras.floor(user: user)
        return start.sequence <= newest && !isCut
            && store.sequence - start.sequence <= store.configuration.historyHorizon ?? .max
    }

    private struct Step {
        let change: ObjectChange
        /// The revision that the change made.
        let revision: Int
    }

    private func steps(_ messages: Collection, after low: Int, upTo high: Int) -> [Step] {
        var revisions: [Int32: Int] = [:]
        var steps: [Step] = []
        for change in messages.journal {
            if change.kind == .updated { revisions[change.index, default: 0] += 1 }
            if change.sequence > low, change.sequence <= high {
                steps.append(Step(change: change, revision: revisions[change.index] ?? 0))
            }
        }
        return steps
    }

    /// One record of the history; nil when it is of no kind that was asked for.
    private func item(
        _ step: Step, _ messages: Collection, _ kinds: [String], _ label: String?
    ) -> String? {
        let index = Int(step.change.index)
        let isSent = messages.written[index] != nil
        let now = Mailbox.labels(isSent: isSent, revision: step.revision)
        let before =
            step.change.kind == .updated ? Mailbox.labels(isSent: isSent, revision: step.revision - 1) : now
        guard label.map({ now.contains($0) || before.contains($0) }) ?? true else { return nil }
        let name =
            "\"id\":\"\(bytes.id(messages, index))\",\"threadId\":\"\(Mailbox.thread(messages, index, bytes))\""
        func list(_ labels: [String]) -> String { labels.map { "\"\($0)\"" }.joined(separator: ",") }
        let message = "{\(name),\"labelIds\":[\(list(now))]}"
        var parts: [String] = []
        func add(_ kind: String, _ member: String, _ labels: [String]?) {
            guard kinds.isEmpty || kinds.contains(kind), labels.map({ !$0.isEmpty }) ?? true else { return }
            let changed = labels.map { ",\"labelIds\":[\(list($0))]" } ?? ""
            parts.append("\"\(member)\":[{\"message\":\(message)\(changed)}]")
        }
        switch step.change.kind {
        case .created: add("messageAdded", "messagesAdded", nil)
        case .deleted: add("messageDeleted", "messagesDeleted", nil)
        case .updated:
            add("labelAdded", "labelsAdded", now.filter { !before.contains($0) })
            add("labelRemoved", "labelsRemoved", before.filter { !now.contains($0) })
        }
        guard !parts.isEmpty else { return nil }
        return """
            {"id":"\(HistoryID(sequence: step.change.sequence).text)","messages":[{\(name)}],\
            \(parts.joined(separator: ","))}
            """
    }
}
