// SPDX-License-Identifier: Apache-2.0

public import PageScanner

/// JSON as a value: what is about to be sent, or the input of an action. Numbers keep their text, members their order.
public indirect enum JSONTree: Sendable, Equatable {
    case object([Member])
    case array([JSONTree])
    case scalar(JSONScalar)

    /// One member of an object.
    public struct Member: Sendable, Equatable {
        /// The member's name.
        public let name: String
        /// What it is.
        public var value: JSONTree

        /// A member of that name.
        public init(name: String, value: JSONTree) {
            self.name = name
            self.value = value
        }
    }

    /// The value of an object's member; nil for anything else, and for a member that is not there. Names compare as bytes.
    public subscript(name: String) -> JSONTree? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name.utf8.elementsEqual(name.utf8) }?.value
    }

    /// Puts a value at a place; objects on the way are made when they are missing.
    public mutating func set(_ value: JSONScalar, at tokens: ArraySlice<String>) {
        guard let token = tokens.first else {
            self = .scalar(value)
            return
        }
        let rest = tokens.dropFirst()
        if case .array(var elements) = self, let index = Int(token), elements.indices.contains(index) {
            elements[index].set(value, at: rest)
            self = .array(elements)
            return
        }
        var members: [Member] = []
        if case .object(let known) = self { members = known }
        if let index = members.firstIndex(where: { $0.name == token }) {
            members[index].value.set(value, at: rest)
        } else {
            var inner = JSONTree.object([])
            inner.set(value, at: rest)
            members.append(Member(name: token, value: inner))
        }
        self = .object(members)
    }

    /// Adds the members of another object, those of its objects too; what is no object is replaced.
    public mutating func merge(_ other: JSONTree) {
        guard case .object(var members) = self, case .object(let added) = other else {
            self = other
            return
        }
        for member in added {
            if let index = members.firstIndex(where: { $0.name == member.name }) {
                members[index].value.merge(member.value)
            } else {
                members.append(member)
            }
        }
        self = .object(members)
    }

    /// The JSON text.
    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        write(to: &bytes)
        return bytes
    }

    private func write(to bytes: inout [UInt8]) {
        switch self {
        case .scalar(.null): bytes += "null".utf8
        case .scalar(.bool(let value)): bytes += (value ? "true" : "false").utf8
        case .scalar(.number(let text)): bytes += text.utf8
        case .scalar(.string(let text)): Self.write(text, to: &bytes)
        case .array(let elements):
            bytes.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                element.write(to: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        case .object(let members):
            bytes.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                Self.write(member.name, to: &bytes)
                bytes.append(UInt8(ascii: ":"))
                member.value.write(to: &bytes)
            }
            bytes.append(UInt8(ascii: "}"))
        }
    }

    /// Appends a text as a JSON string.
    public static func write(_ text: String, to bytes: inout [UInt8]) {
        let digits = Array("0123456789abcdef".utf8)
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0..<0x20: bytes += Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
