// SPDX-License-Identifier: Apache-2.0

public import Model
import RedisClient

/// Whose jobs, or which job, to look for.
public enum JobSearch: Sendable {
    case id(String)
    /// All jobs of an integration, by either form of its name.
    case integration(id: Int64, key: IntegrationKey)
}

/// Why a job does not run at this moment.
public struct WaitReason: Sendable, Equatable {
    /// A word for programs, such as `queue_paused`.
    public let code: String
    /// A sentence for the operator.
    public let text: String

    /// A reason with its word and its sentence.
    public init(code: String, text: String) {
        self.code = code
        self.text = text
    }
}

/// A job where it was found.
public struct JobSighting: Sendable {
    /// Where a job is.
    public enum Place: Sendable, Equatable {
        /// A worker holds it. The claimant is what the worker's tokens begin with; `isRunning` is false while it is put aside.
        case inFlight(leaseEnds: Timestamp?, claimant: String, isRunning: Bool)
        /// In the list, in no lane yet: so many jobs stand between it and the end from which jobs are taken.
        case list(before: Int, of: Int)
        /// In the list of jobs that woke a worker; any worker takes them before others.
        case inbox(before: Int, of: Int)
        /// Sorted: its lane, its place there from 0, the jobs of the lane, and lanes whose turn comes before.
        case lane(name: String, position: Int, of: Int, lanesBefore: Int)
        case delayed(until: Timestamp)
        /// Waits for its integration, a pause or a cap.
        case parked
        case dead(code: String, reason: String, failedAt: Timestamp)
    }

    /// Its id; nil for a payload that brings none and that no worker has seen yet.
    public let id: String?
    /// What the payload asks for; nil when it cannot be read.
    public let type: JobType?
    /// The queue it came from.
    public let queue: Queue
    /// Attempts that were charged.
    public let attempts: Int
    /// Workers that died with it in a row.
    public let recoveries: Int
    /// When it was enqueued; nil when nobody has noted that yet.
    public let enqueuedAt: Timestamp?
    /// Where it is.
    public let place: Place
    /// Why it does not run now; empty when it runs.
    public var reasons: [WaitReason]
}

/// What a search for jobs found.
public struct QueueExplanation: Sendable {
    /// A place that is too long to be looked through to its end.
    public struct Partial: Sendable, Equatable {
        /// The place, as a person names it.
        public let place: String
        /// How many jobs were looked at.
        public let looked: Int
        /// How many are there.
        public let total: Int
    }

    /// The jobs, at most 20, those in flight first.
    public var sightings: [JobSighting] = []
    /// Where a job may be that was not found.
    public var partial: [Partial] = []
    /// The time of Redis.
    public var now: Timestamp
    /// Somebody asked that the job shall not run.
    public var isCancelled = false
}

/// A job as a search meets it: an envelope, or a payload that no script has seen.
struct FoundJob {
    let envelope: Envelope?
    let payload: JobPayload?
    let id: String?
    let lockKey: String
    let queue: Queue

    /// `list` is the queue in whose list it stands, as a bare payload does not tell.
    init(_ bytes: [UInt8], in list: Queue = .default) {
        envelope = Envelope(bytes)
        queue = envelope?.queue ?? list
        let body = envelope?.payload ?? bytes[...]
        if case .success(let payload) = JobPayload.parse(body) {
            self.payload = payload
        } else {
            payload = nil
        }
        id = envelope?.id ?? payload?.id
        lockKey = envelope.map { String(decoding: $0.lockKey, as: UTF8.self) } ?? payload?.lockKey ?? ""
    }

    /// The names of the integration's user and service, when the lock key tells them.
    var names: (user: String, service: String)? { Self.names(lockKey) }

    static func names(_ lockKey: String) -> (user: String, service: String)? {
        let parts = lockKey.split(separator: "\u{1F}", omittingEmptySubsequences: false)
        return parts.count == 3 ? (String(parts[0]), String(parts[1])) : nil
    }
}

extension JobSearch {
    func matches(_ job: FoundJob) -> Bool {
        switch self {
        case .id(let id): job.id.map { $0.utf8.elementsEqual(id.utf8) } ?? false
        case .integration: lockKeys.contains { $0.utf8.elementsEqual(job.lockKey.utf8) }
        }
    }

    /// Both names under which the queue knows the integration.
    var lockKeys: [String] {
        switch self {
        case .id: []
        case .integration(let id, let key):
            [
                JobPayload(integration: .id(id), type: .full).lockKey,
                JobPayload(integration: .key(key), type: .full).lockKey,
            ]
        }
    }

    /// Patterns of Redis, one of which the envelope of a job that is not in flight matches.
    var patterns: [RedisArgument] {
        switch self {
        case .id(let id): [RedisArgument("*v1 - ? \(Self.escaped(id)) *")]
        // The lock key follows the header's line end.
        case .integration: lockKeys.map { RedisArgument("*\n\(Self.escaped($0))*") }
        }
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            if "*?[]\\".unicodeScalars.contains(scalar) { result += "\\" }
            result.unicodeScalars.append(scalar)
        }
        return result
    }
}
