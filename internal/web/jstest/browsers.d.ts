// What some browsers have and TypeScript's own description of them has not: every
// module asks whether it is there.
interface Window {
  showOpenFilePicker?(options: { multiple: boolean }): Promise<FileSystemFileHandle[]>;
  showDirectoryPicker?(options: { mode: "read" }): Promise<FileSystemDirectoryHandle>;
}

interface Navigator {
  connection?: EventTarget & { saveData?: boolean; type?: string };
  getBattery?(): Promise<EventTarget & { charging: boolean; level: number }>;
}

interface DataTransferItem {
  getAsFileSystemHandle?(): Promise<FileSystemHandle | null>;
}
