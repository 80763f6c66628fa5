// SPDX-License-Identifier: Apache-2.0

import Yams

/// What an integration's `config` may say under one name.
struct ConfigSetting: Sendable, Equatable {
    /// What counts when it says nothing.
    let standard: String
    /// The values that are allowed; empty for any.
    let allowed: [String]
    /// Names with commas between them. In a body they are an array.
    var isList = false

    static let keys = ["default", "one_of", "list"]

    /// The names of a list.
    static func names(_ value: String) -> [String] {
        value.split(separator: ",").map { name in
            String(name.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }.filter { !$0.isEmpty }
    }
}

/// Reads `config` of a manifest.
struct ConfigLoader {
    let root: MappingReader

    func load() -> [String: ConfigSetting] {
        guard let node = root.node("config") else { return [:] }
        guard case .mapping(let mapping) = node else {
            root.complain("config", "has to be a mapping of names to { default, one_of, list }")
            return [:]
        }
        var settings: [String: ConfigSetting] = [:]
        for (nameNode, value) in mapping {
            let name = nameNode.string ?? ""
            let path = "config.\(name)"
            if !ManifestLoader.isMember(name) {
                root.problems.add(nameNode, path, "'\(name)' is not allowed; letters, digits and '_'")
            }
            guard
                let reader = MappingReader(
                    value, path: path, keys: ConfigSetting.keys, problems: root.problems)
            else { continue }
            settings[name] = setting(reader)
        }
        return settings
    }

    private func setting(_ reader: MappingReader) -> ConfigSetting? {
        guard let standard = reader.text("default", required: true, mayBeEmpty: true) else { return nil }
        let allowed = reader.words("one_of")
        if !allowed.isEmpty, !allowed.contains(standard) {
            reader.complain("default", "'\(standard)' is not among one_of")
        }
        let isList = reader.bool("list") ?? false
        if isList, !allowed.isEmpty {
            reader.complain("one_of", "means nothing for a list: it is compared with the whole value")
        }
        return ConfigSetting(standard: standard, allowed: allowed, isList: isList)
    }
}
