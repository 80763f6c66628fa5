// SPDX-License-Identifier: Apache-2.0

import Cryptography
import JobQueue
import Model

/// What a backfill reads, for whom, and in which steps. Equal plans have equal ids.
struct BackfillPlan {
    let service: String
    let since: Timestamp
    let until: Timestamp?
    /// Sorted, each once; nil for all.
    let users: [String]?
    let streams: [String]?
    let queue: Queue
    /// The ranges of the jobs of one integration.
    let ranges: [(since: Timestamp, until: Timestamp?)]
    /// What the ids of its jobs begin with.
    let id: String

    /// More steps for one integration are a slip of the hand.
    static let maximumSteps = 1_000
    /// So many users are looked up at a time.
    static let usersInPart = 500

    init(
        service: String, since: Timestamp, until: Timestamp?, users: [String]?, streams: [String]?,
        queue: Queue,
        step: Duration?, name: String
    ) throws {
        if let until, until <= since {
            throw Exit.complain("--until must be later than --since", Exit.usage)
        }
        if let users, users.isEmpty { throw Exit.complain("no user is named", Exit.usage) }
        if let streams, streams.isEmpty { throw Exit.complain("no stream is named", Exit.usage) }
        self.service = service
        self.since = since
        self.until = until
        self.users = users.map { Set($0).sorted() }
        self.streams = streams.map { Set($0).sorted() }
        self.queue = queue
        ranges = try Self.ranges(since, until, step)
        let words =
            [
                service, since.rfc3339, until?.rfc3339 ?? "", self.streams?.joined(separator: ",") ?? "*",
                step.map { "\($0.wholeMilliseconds)" } ?? "", name,
            ] + (self.users ?? ["*"])
        let text = words.joined(separator: "\u{1F}")
        let digest = try HMAC.sha256(key: Array("lockstep backfill".utf8), message: Array(text.utf8))
        id = "bf:" + Hex.encode(digest.prefix(6))
    }

    private static func ranges(
        _ since: Timestamp, _ until: Timestamp?, _ step: Duration?
    ) throws -> [(since: Timestamp, until: Timestamp?)] {
        guard let step else { return [(since, until)] }
        guard let until else {
            throw Exit.complain("--step needs --until: the steps of an open range would change", Exit.usage)
        }
        let width = step.wholeMicroseconds
        let count = (until.microseconds - since.microseconds + width - 1) / width
        guard count <= maximumSteps else {
            throw Exit.complain(
                "--step makes \(count) steps; at most \(maximumSteps) are allowed", Exit.usage)
        }
        return (0..<count).map { number in
            let start = Timestamp(microseconds: since.microseconds + number * width)
            return (start, min(until, Timestamp(microseconds: start.microseconds + width)))
        }
    }

    /// Reads `7d`, `12h` or `30m`; exits with 64 for anything else.
    static func step(_ text: String) throws -> Duration {
        let units: [Character: Int] = ["d": 86_400, "h": 3_600, "m": 60]
        guard let unit = text.last.flatMap({ units[$0] }), let count = Int(text.dropLast()),
            (1...100_000).contains(count)
        else {
            throw Exit.complain(
                "--step: '\(text)' is no length; allowed: a number and d, h or m, such as 7d", Exit.usage)
        }
        return .seconds(count * unit)
    }

    /// The users, in parts that are looked up together; one part without users for all.
    var parts: [[String]?] {
        guard let users else { return [nil] }
        return stride(from: 0, to: users.count, by: Self.usersInPart).map {
            Array(users[$0..<min($0 + Self.usersInPart, users.count)])
        }
    }

    /// The jobs of an integration.
    func jobs(of integrationID: Int64) -> [BackfillJob] {
        ranges.enumerated().map { step, range in
            BackfillJob(
                of: id, integrationID: integrationID, step: step, streams: streams, since: range.since,
                until: range.until)
        }
    }
}
