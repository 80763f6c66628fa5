// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import JobQueue
import PageScanner

extension JSONTree {
    /// Reads JSON as strictly as payloads are read: no duplicate keys, no lone surrogates, at most 32 levels.
    init(strict bytes: [UInt8], subject: String) throws(JSONProblem) {
        let outcome: Result<JSONTree, JSONProblem> = bytes.withUnsafeBufferPointer { buffer in
            do throws(JSONProblem) {
                return .success(
                    JSONTree(try StrictJSON.parse(buffer, subject: subject), in: buffer))
            } catch {
                return .failure(error)
            }
        }
        self = try outcome.get()
    }

    private init(_ node: JSONNode, in bytes: UnsafeBufferPointer<UInt8>) {
        switch node.value {
        case .null: self = .scalar(.null)
        case .bool(let value): self = .scalar(.bool(value))
        case .number:
            self = .scalar(
                .number(String(decoding: UnsafeBufferPointer(rebasing: bytes[node.range]), as: UTF8.self)))
        case .string(let text): self = .scalar(.string(text))
        case .array(let elements): self = .array(elements.map { JSONTree($0, in: bytes) })
        case .object(let members):
            self = .object(members.map { Member(name: $0.key, value: JSONTree($0.node, in: bytes)) })
        }
    }
}
