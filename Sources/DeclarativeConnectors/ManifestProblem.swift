// SPDX-License-Identifier: Apache-2.0

/// One thing that is wrong in a manifest.
public struct ManifestProblem: Sendable, Equatable {
    public let file: String
    /// 1-based.
    public let line: Int
    /// The key, as a path such as `streams.customers.page.kind`.
    public let key: String
    public let message: String
}

extension ManifestProblem: CustomStringConvertible {
    public var description: String { "\(file):\(line): \(key): \(message)" }
}

/// A manifest that cannot be used; it has all its problems.
public struct ManifestError: Error, Sendable {
    public let problems: [ManifestProblem]
}

extension ManifestError: CustomStringConvertible {
    public var description: String { problems.map(\.description).joined(separator: "\n") }
}
