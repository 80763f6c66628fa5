// SPDX-License-Identifier: Apache-2.0

/// The manifests that ship: the files of this folder, embedded when the program is built.
public enum BuiltinManifests {
    /// The manifests that ship, with the names of their files.
    public static let all: [(file: String, text: String)] = [
        ("google-calendar.yaml", text(PackageResources.google_calendar_yaml)),
        ("stripe.yaml", text(PackageResources.stripe_yaml)),
    ]

    private static func text(_ bytes: [UInt8]) -> String {
        String(decoding: bytes, as: UTF8.self)
    }
}
