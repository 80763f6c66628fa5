// SPDX-License-Identifier: Apache-2.0

public import Model

/// Which dead letters are meant; what is nil does not matter.
public struct DeadLetterFilter: Sendable, Equatable {
    /// The word for programs, such as `unknown_integration`.
    public var code: String?
    /// A part of the reason, in any case.
    public var reason: String?
    /// The service of the integration.
    public var service: String?
    /// The user of the integration.
    public var user: String?
    /// The queue that a replay would push to.
    public var queue: Queue?
    /// The earliest time at which it failed.
    public var since: Timestamp?
    /// The time before which it failed.
    public var until: Timestamp?

    /// All letters.
    public init() {}

    /// Whether all letters are meant.
    public var isEmpty: Bool { self == DeadLetterFilter() }

    func matches(_ letter: DeadLetter, _ subject: DeadLetterSubject) -> Bool {
        func same(_ wanted: String?, _ found: String?) -> Bool {
            guard let wanted else { return true }
            return found.map { $0.utf8.elementsEqual(wanted.utf8) } ?? false
        }
        return same(code, letter.code) && same(service, subject.service) && same(user, subject.user)
            && (reason.map { letter.reason.lowercased().contains($0.lowercased()) } ?? true)
            && (queue.map { $0 == letter.queue } ?? true) && (since.map { letter.failedAt >= $0 } ?? true)
            && (until.map { letter.failedAt < $0 } ?? true)
    }
}

/// Whose job a dead letter was, as far as its payload and the queue tell.
public struct DeadLetterSubject: Sendable, Equatable {
    /// The user, when the payload names one or the queue knows whose the integration is.
    public internal(set) var user: String?
    /// The service, when the payload names one or the queue knows whose the integration is.
    public internal(set) var service: String?
    /// The integration, when the payload names it by its number.
    public let integrationID: Int64?

    /// Reads a payload, which need not be a job.
    init(payload: [UInt8]) {
        let node = payload.withUnsafeBufferPointer { buffer -> JSONNode? in
            do throws(JSONProblem) {
                return try StrictJSON.parse(buffer)
            } catch {
                return nil
            }
        }
        var members: [JSONMember] = []
        if case .object(let found)? = node?.value { members = found }
        func text(_ key: String) -> String? {
            let value = members.first { $0.key == key }?.node.value
            return if case .string(let text)? = value { text } else { nil }
        }
        user = text("user_id")
        service = text("service")
        integrationID = members.first { $0.key == "integration_id" }.flatMap { member in
            guard case .number = member.node.value else { return nil }
            return Int64(String(decoding: payload[member.node.range], as: UTF8.self))
        }
    }
}
