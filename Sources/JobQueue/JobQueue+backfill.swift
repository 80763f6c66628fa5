// SPDX-License-Identifier: Apache-2.0

public import Model
import RedisClient

/// A job of a backfill: a step of the range, for one integration.
public struct BackfillJob: Sendable {
    /// The integration.
    public let integrationID: Int64
    /// The number of the step, from 0.
    public let step: Int
    /// The job's id.
    public let id: String
    /// What the job asks for, as JSON.
    public let payload: [UInt8]

    /// The job `ID:INTEGRATION:STEP` of the backfill with that id.
    public init(
        of backfill: String, integrationID: Int64, step: Int, streams: [String]?, since: Timestamp,
        until: Timestamp?
    ) {
        self.integrationID = integrationID
        self.step = step
        id = Self.id(of: backfill, integrationID: integrationID, step: step)
        payload = JobPayload(
            integration: .id(integrationID), type: .backfill, streams: streams, since: since, until: until,
            id: id
        ).encoded()
    }

    /// The id of a job of that backfill.
    public static func id(of backfill: String, integrationID: Int64, step: Int) -> String {
        "\(backfill):\(integrationID):\(step)"
    }
}

/// How far a backfill was enqueued: up to a step of an integration.
public struct BackfillMark: Sendable, Comparable {
    /// The integration of the last job.
    public let integrationID: Int64
    /// Its step.
    public let step: Int

    /// The place of a job.
    public init(integrationID: Int64, step: Int) {
        self.integrationID = integrationID
        self.step = step
    }

    /// Whether the left place comes earlier.
    public static func < (left: BackfillMark, right: BackfillMark) -> Bool {
        (left.integrationID, left.step) < (right.integrationID, right.step)
    }
}

extension JobQueue {
    /// Makes jobs of a backfill ready, by rising integration and step, each once however often it is asked within a week;
    /// the number of those that were not there yet. `part` has a mark of its own.
    public func enqueue(
        _ jobs: [BackfillJob], ofBackfill id: String, part: Int, in queue: Queue
    ) async throws(QueueError) -> Int {
        var count = 0
        for start in stride(from: 0, to: jobs.count, by: Self.batchLimit) {
            var arguments = [RedisArgument(queue.rawValue)]
            for job in jobs[start..<min(start + Self.batchLimit, jobs.count)] {
                arguments += [
                    RedisArgument(job.integrationID), RedisArgument(job.step), RedisArgument(job.id),
                    RedisArgument(job.payload),
                ]
            }
            guard
                let added = try await eval(.backfill, also: [markKey(id, part)], arguments).int
            else { throw .unexpected("backfill") }
            count += Int(added)
        }
        return count
    }

    /// Up to which job a part of a backfill was enqueued; nil when it was not begun, or longer than a week ago.
    public func backfillMark(of id: String, part: Int) async throws(QueueError) -> BackfillMark? {
        let text = try await command(["GET", RedisArgument(markKey(id, part))]).text ?? ""
        let words = text.split(separator: " ")
        guard words.count == 2, let integration = Int64(words[0]), let step = Int(words[1]) else {
            return nil
        }
        return BackfillMark(integrationID: integration, step: step)
    }

    private func markKey(_ id: String, _ part: Int) -> String {
        "\(configuration.prefix):backfill:\(id):\(part)"
    }
}
