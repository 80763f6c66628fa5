// SPDX-License-Identifier: Apache-2.0

public import Model

/// A job that cannot succeed, kept for a person with the bytes that were pushed.
///
/// As JSON: `payload` is the object itself when the payload is a JSON object, else its text as a string;
/// bytes that are not UTF-8 are in `payload_base64`.
public struct DeadLetter: Sendable {
    /// The id of the job that could not succeed.
    public let id: String
    /// The payload as it was pushed, or its start when it was too large to keep.
    public let payload: [UInt8]
    /// A word for programs, such as `unknown_field` or `poison`.
    public let code: String
    /// One sentence that says what to change.
    public let reason: String
    /// What else is known, such as the place in the payload; may be empty.
    public let detail: String
    /// The queue that a replay pushes the payload to.
    public let queue: Queue
    /// How many attempts were made; 0 for a payload that never was a job.
    public let attempts: Int
    /// When it became a dead letter, by the clock of Redis.
    public let failedAt: Timestamp
    /// The element of the list, by which the letter is found again.
    let element: [UInt8]
}

extension DeadLetter {
    /// Reads an element of the dead list; nil when it is not a dead letter.
    init?(element: [UInt8]) {
        let letter = element.withUnsafeBufferPointer { buffer -> JSONNode? in
            // A letter wraps a payload that may use all of the depth; the text is our own otherwise.
            do throws(JSONProblem) {
                return try StrictJSON.parse(buffer, maxDepth: StrictJSON.maxDepth + 1)
            } catch {
                return nil
            }
        }
        guard case .object(let members)? = letter?.value else { return nil }
        func node(_ key: String) -> JSONNode? { members.first { $0.key == key }?.node }
        func text(_ key: String) -> String? {
            if case .string(let text)? = node(key)?.value { text } else { nil }
        }
        guard let payload = Self.payload(node("payload"), text("payload_base64"), in: element),
            let reason = text("reason"), let queue = text("queue").flatMap(Queue.init(rawValue:)),
            let failedAt = text("failed_at").flatMap(Timestamp.init(rfc3339:))
        else { return nil }
        self.payload = payload
        self.reason = reason
        self.queue = queue
        self.failedAt = failedAt
        self.element = element
        id = text("id") ?? ""
        code = text("code") ?? ""
        detail = text("detail") ?? ""
        attempts = node("attempts").flatMap { Int(String(decoding: element[$0.range], as: UTF8.self)) } ?? 0
    }

    private static func payload(_ node: JSONNode?, _ base64: String?, in element: [UInt8]) -> [UInt8]? {
        switch node?.value {
        case .object: node.map { Array(element[$0.range]) }
        case .string(let text): Array(text.utf8)
        case nil: base64.flatMap { Base64.decode($0) }
        default: nil
        }
    }

    /// The letter as JSON up to and including the comma before `failed_at`, which the script writes by the
    /// server's clock.
    static func draft(
        id: String, payload: ArraySlice<UInt8>, size: Int, queue: Queue, attempts: Int, code: String,
        reason: String,
        detail: String
    ) -> [UInt8] {
        var text = Array("{".utf8) + payloadMember(payload)
        text += Array(#","code":"#.utf8) + JSONText.string(code)
        text += Array(#","reason":"#.utf8) + JSONText.string(reason)
        text += Array(#","detail":"#.utf8) + JSONText.string(detail)
        text += Array(#","id":"#.utf8) + JSONText.string(id)
        text += Array(#","queue":"\#(queue.rawValue)","attempts":\#(attempts),"#.utf8)
        // The claim script cuts what is absurdly large.
        if size > payload.count { text += Array(#""payload_bytes":\#(size),"#.utf8) }
        return text
    }

    private static func payloadMember(_ payload: ArraySlice<UInt8>) -> [UInt8] {
        payload.withUnsafeBufferPointer { buffer -> [UInt8] in
            if UTF8Check.firstInvalidByte(buffer) != nil {
                return Array(#""payload_base64":"#.utf8) + JSONText.string(Base64.encode(buffer))
            }
            let isObject: Bool
            do throws(JSONProblem) {
                if case .object = try StrictJSON.parse(buffer).value {
                    isObject = true
                } else {
                    isObject = false
                }
            } catch {
                isObject = false
            }
            let value = isObject ? Array(buffer).trimmed : JSONText.string(buffer)
            return Array(#""payload":"#.utf8) + value
        }
    }
}

extension [UInt8] {
    /// Without the white space around it, so that the copied object is the very range that is read back.
    fileprivate var trimmed: [UInt8] {
        let isSpace = { (byte: UInt8) in byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }
        guard let first = firstIndex(where: { !isSpace($0) }), let last = lastIndex(where: { !isSpace($0) })
        else {
            return self
        }
        return Array(self[first...last])
    }
}
